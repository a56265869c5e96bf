"""bench-usage: what each process of a stack takes, at rest and for a spoken turn. deploy/base asks for that much, and more."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.results import machine, table, write
from earshot_cli.capacity.clocks import cpu_s
from earshot_device import OutcomeKind
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import device, speech

PHRASES = (
    "what time is it in Tokyo",
    "play some jazz",
    "what's the weather in Paris tomorrow",
    "set a timer for ten minutes",
    "cancel the timer",
)
_READY_S = 300.0


@dataclass(frozen=True, slots=True)
class Used:
    """What a process and its children had used by a moment."""

    resident: int
    cpu_s: float


def used(stack: Stack) -> dict[str, Used]:
    """Return what every process of a stack has used."""
    found = {}
    for name, child in stack.processes.items():
        if child.pid is None:
            continue
        resident, cpu = 0, 0.0
        with suppress(psutil.NoSuchProcess):
            for process in (main := psutil.Process(child.pid), *main.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    resident += process.memory_info().rss
                    cpu += cpu_s(process)
        found[name] = Used(resident, cpu)
    return found


def turn_cpu_s(started: Used, rested: Used, after: Used, rest_s: float, spoken_s: float) -> float:
    """Return what turns took, without what the process would have taken at rest meanwhile."""
    at_rest = (rested.cpu_s - started.cpu_s) / rest_s
    return max(0.0, after.cpu_s - rested.cpu_s - at_rest * spoken_s)


async def bench(rounds: int, rest_s: float) -> int:
    """Measure; print a table; return an exit status: 1 when a turn was not answered."""
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(home=Path(folder), fresh=True) as stack:
            await stack.ready(_READY_S)
            await asyncio.sleep(rest_s)
            started = used(stack)
            await asyncio.sleep(rest_s)
            rested = used(stack)
            began = time.monotonic()
            spoken = await _speak(stack, rounds)
            after, spoken_s = used(stack), time.monotonic() - began
    _report(started, rested, after, spoken, rest_s, spoken_s)
    return 0 if spoken == rounds * len(PHRASES) else 1


async def _speak(stack: Stack, rounds: int) -> int:
    """Speak every phrase some times, in real time; return how many were answered."""
    answered = 0
    async with device(stack, DeviceAddress("h1", "d1"), capture_speed=1.0) as speaker:
        for phrase in PHRASES * rounds:
            result = await speaker.say(await speech(stack, phrase, "en-US"))
            await speaker.settled()
            answered += result.kind is OutcomeKind.ANSWERED
    return answered


def _report(
    started: Mapping[str, Used],
    rested: Mapping[str, Used],
    after: Mapping[str, Used],
    turns: int,
    rest_s: float,
    spoken_s: float,
) -> None:
    figures: dict[str, float | int | None] = {"turns": turns}
    rows = []
    for name, last in after.items():
        row = {
            "resident_mib": last.resident / (1 << 20),
            "start_cpu_s": started[name].cpu_s,
            "rest_millicores": (rested[name].cpu_s - started[name].cpu_s) / rest_s * 1000,
            "turn_cpu_ms": turn_cpu_s(started[name], rested[name], last, rest_s, spoken_s) / max(1, turns) * 1000,
        }
        figures |= {f"{name}.{key}": value for key, value in row.items()}
        rows.append((name, *(f"{value:.1f}" for value in row.values())))
    print(table(("", "resident MiB", "start CPU s", "at rest m", "CPU ms a turn"), rows))
    print(f"{turns} turns spoken; {machine()}; {write('usage', figures)}")


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description="What each process takes, at rest and for a spoken turn.")
    parser.add_argument("--rounds", type=int, default=4, help=f"times that {len(PHRASES)} phrases are spoken")
    parser.add_argument("--rest", type=float, default=20.0, help="seconds at rest")
    arguments = parser.parse_args()
    return asyncio.run(bench(arguments.rounds, arguments.rest))


if __name__ == "__main__":
    sys.exit(main())
