"""Flood everything that listens with messages that are wrong: `make fuzz`.

Usage: python -m fuzz [--messages N] [--seed N]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from bench.results import machine, table, write
from earshot_chassis.settings import ServiceSettings
from earshot_chassis.telemetry import Telemetry
from fuzz.conduct import Result, run


def report(result: Result) -> str:
    """Return what came of each channel, and of memory."""
    rows = [
        (
            name,
            account.sent,
            account.taken,
            account.unreadable,
            account.noted,
            account.refused.total(),
            account.answered,
            account.unaccounted,
        )
        for name, account in sorted(result.accounts.items())
    ]
    header = ("channel", "sent", "taken", "unreadable", "parked or dropped", "refused", "answered", "unaccounted")
    memory = [
        (name, f"{before:.0f}", f"{after:.0f}", "grew" if name in result.grown else "")
        for name, (before, after) in sorted(result.memory_mib.items())
    ]
    codes = sorted({code for account in result.accounts.values() for code in account.refused})
    return (
        f"{table(header, rows)}\n\nrefused with: {', '.join(codes)}\n\n"
        f"{table(('process', 'MiB at a third', 'MiB at the end', ''), memory)}\n\n"
        f"{result.sent} messages in {result.seconds:.0f} s; {result.turns} valid turns beside them; "
        f"streams keep {result.kept} messages, {result.kept_in_memory_mib:.0f} MiB of them in memory\n"
        f"crashed {result.crashed}, valid lost {result.valid_lost}, unaccounted {result.unaccounted}, "
        f"replayed turns with two outcomes {result.replayed_twice}, processes that grew {len(result.grown)}"
    )


def main() -> None:
    """Run the command; exit 1 when anything went wrong."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    # The device in this process would log every message that it drops.
    Telemetry("fuzz", "0", ServiceSettings(log_level="error")).start()
    print(f"{arguments.messages} messages, seed {arguments.seed}, {machine()}", flush=True)
    # Shares are rounded: a little more than was asked for, never less.
    result = asyncio.run(
        run(int(arguments.messages * 1.01) + 100, arguments.seed, lambda text: print(text, flush=True))
    )
    print(report(result))
    figures = {
        "sent": result.sent,
        "crashed": result.crashed,
        "valid_lost": result.valid_lost,
        "unaccounted": result.unaccounted,
        "valid_turns": result.turns,
        "grown": len(result.grown),
        "seed": arguments.seed,
        "seconds": result.seconds,
    }
    print(f"-> {write('fuzz', figures)}")
    wrong = result.crashed or result.valid_lost or result.unaccounted or result.replayed_twice or result.grown
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
