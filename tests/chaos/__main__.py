"""Faults against the whole system, and what the devices heard of it.

Usage: python -m chaos [--seconds N] [--seed WORD] [--devices N] [--nodes N] [--only KIND]... [--keep]

Prints the seed first: the same seed says the same words and inflicts the same faults in the same order. Ends with 1 if
any turn was silent, lost, heard twice or answered wrongly, if an effect or a ringing was missing or doubled, if something
rang that was not to, if one process alone cost an answer, or if more than one turn in a hundred was apologised for.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from chaos.reporting import figures, told, write
from chaos.running import run
from chaos.schedule import Kind

_SECONDS = 400.0
_DEVICES = 12


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="how long faults go on")
    parser.add_argument("--seed", default="", help="what decides words and faults; default: another one each time")
    parser.add_argument("--devices", type=int, default=_DEVICES, help="how many devices talk; three more ring")
    parser.add_argument("--keep", action="store_true", help="keep logs and state, and say where")
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=3, help="servers of the bus")
    parser.add_argument(
        "--only", action="append", default=[], choices=tuple(Kind), help="kinds of faults; default: all"
    )
    arguments = parser.parse_args()
    seed = arguments.seed or secrets.token_hex(4)
    print(f"chaos: seed {seed}, {arguments.devices} devices, {arguments.seconds:g} s", file=sys.stderr)
    import uvloop  # noqa: PLC0415 - as the services do

    with contextlib.ExitStack() as resources:
        home = tempfile.mkdtemp(prefix="chaos-")
        if arguments.keep:
            print(f"chaos: logs in {home}/logs", file=sys.stderr)
        else:
            resources.callback(shutil.rmtree, home, ignore_errors=True)
        came_to = uvloop.run(
            run(
                Path(home),
                seed=seed,
                seconds=arguments.seconds,
                devices=arguments.devices,
                nodes=arguments.nodes,
                only=arguments.only,
            )
        )
    found = figures(came_to, seed)
    print(told(came_to, found))
    write(found)
    return 0 if came_to.passed else 1


if __name__ == "__main__":
    sys.exit(main())
