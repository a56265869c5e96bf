"""A burst of real turns through a local stack, recorded; and the simulation of the same turns beside it.

Usage: python -m bench.burst [--rate R] [--factor N] [--within S] [--lasts S] [--quiet S] [--seed N] [--into FILE]

Devices speak synthesised commands in real time, each in a household of its own, when a drawn burst says so; whoever is
heard, and when, is real. When each turn began is read from the trace store, as `earshot turns --begun` does it, and written
as `earshot scaling --recording` reads it: build/results/burst.txt. Then the same turns are simulated with one pod of each
service as large as this machine, by the costs of tests/scaling/figures.json: what differs is what the simulation leaves out.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.results import RESULTS, machine, percentile, table, write
from bench.voice import COMMANDS, ENVIRONMENT
from earshot_cli.capacity.figures import Figures, read
from earshot_cli.scaling import load, scaledobjects
from earshot_cli.scaling.simulate import services, simulate, with_minimum
from earshot_cli.traces import TraceClient
from earshot_device import Device, OutcomeKind, TurnResult
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import device, speech

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "tests" / "scaling" / "figures.json"
LOCALE = "en-US"
# Behind the last answer, until the trace store has its spans.
SETTLE_S = 3.0


class Homes:
    """Devices, each opened once and used again when it is free."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._free: list[Device] = []
        self._all: list[Device] = []

    async def say(self, samples: np.ndarray) -> TurnResult:
        """Let a device that is free speak."""
        speaking = self._free.pop() if self._free else await self._one_more()
        try:
            return await speaking.say(samples)
        finally:
            self._free.append(speaking)

    async def _one_more(self) -> Device:
        number = len(self._all)
        opened = device(self._stack, DeviceAddress(f"home{number}", f"burst{number}"), LOCALE, capture_speed=1.0)
        self._all.append(await opened.__aenter__())
        return self._all[-1]

    async def close(self) -> None:
        """Close all of them."""
        await asyncio.gather(*(each.__aexit__(None, None, None) for each in self._all))


async def turns(stack: Stack, arrivals: Sequence[float]) -> list[TurnResult]:
    """Let somebody speak at each of some times, whatever became of those before."""
    phrases = [await speech(stack, text, LOCALE) for text in COMMANDS[LOCALE]]
    homes, loop = Homes(stack), asyncio.get_running_loop()
    began = loop.time()

    async def one(number: int, at: float) -> TurnResult:
        await asyncio.sleep(began + at - loop.time())
        return await homes.say(phrases[number % len(phrases)])

    try:
        return await asyncio.gather(*(one(number, at) for number, at in enumerate(arrivals)))
    finally:
        await homes.close()


def simulated(figures: Figures, begun: Sequence[float]) -> list[float]:
    """Return the times to first audio of the same turns with one pod of each, as large as this machine, and no other."""
    specs = services(figures, scaledobjects.read(ROOT / "deploy" / "base"))
    for spec in specs:
        specs = with_minimum(specs, spec.name, 1)
    cores = float(os.cpu_count() or 1)
    alone = [replace(spec, cores=cores, scaling=replace(spec.scaling, maximum=1)) for spec in specs]
    run = simulate(alone, figures, begun, begun[-1] + 60.0)
    return [heard.first_audio_s for heard in run.heard]


async def spoken(options: argparse.Namespace) -> tuple[list[TurnResult], list[float]]:
    """Let a burst be spoken; return what came of its turns, and when each began by its trace, Unix seconds."""
    rate = load.burst(
        base=options.rate,
        factor=options.factor,
        begins_s=options.quiet,
        within_s=options.within,
        lasts_s=options.lasts,
    )
    seconds = options.quiet + 2 * options.within + options.lasts
    arrivals = load.arrivals(rate, seconds, highest=options.rate * options.factor, seed=options.seed)
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(home=Path(folder), env=ENVIRONMENT) as stack:
            await stack.ready()
            print(f"{len(arrivals)} turns in {seconds:.0f} s", file=sys.stderr)
            results = await turns(stack, arrivals)
            await asyncio.sleep(SETTLE_S)
            client = TraceClient(stack.traces_url)
            try:
                return results, await client.begun()
            finally:
                await client.close()


def report(into: Path, results: Sequence[TurnResult], begun: Sequence[float]) -> int:
    """Write the recording, and print what was heard beside what is simulated; return how many turns were not answered."""
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_text("".join(f"{at - begun[0]:.3f}\n" for at in begun))
    heard = [result.first_audio_s for result in results if result.first_audio_s is not None]
    expected = simulated(read(FIGURES), load.recorded(into))
    rows = [
        (name, len(times), f"{percentile(times, 0.5):.2f}", f"{percentile(times, 0.95):.2f}", f"{max(times):.2f}")
        for name, times in (("heard", heard), ("simulated", expected))
    ]
    print(machine())
    print(table(("end of speech to first audio, s", "turns", "p50", "p95", "worst"), rows))
    became = Counter(str(result.kind) for result in results)
    print(f"\n{dict(became)}; {len(begun)} turns recorded in {into}")
    answered = sum(result.kind is OutcomeKind.ANSWERED for result in results)
    write(
        "bench-burst",
        {
            "turns": len(results),
            "answered": answered,
            "recorded": len(begun),
            "heard_p50_s": percentile(heard, 0.5),
            "heard_p95_s": percentile(heard, 0.95),
            "simulated_p50_s": percentile(expected, 0.5),
            "simulated_p95_s": percentile(expected, 0.95),
        },
    )
    return len(results) - answered


def main() -> None:
    """Run the command; exits 1 when a turn was not answered or not recorded."""
    parser = argparse.ArgumentParser(description="A burst of real turns, recorded and simulated.")
    parser.add_argument("--rate", type=float, default=0.2, help="turns a second before it")
    parser.add_argument("--factor", type=float, default=10.0, help="how many times as many come")
    parser.add_argument("--within", type=float, default=60.0, help="seconds in which they come, and go")
    parser.add_argument("--lasts", type=float, default=60.0, help="seconds for which they stay")
    parser.add_argument("--quiet", type=float, default=60.0, help="seconds before it")
    parser.add_argument("--seed", type=int, default=1, help="of the arrivals")
    parser.add_argument("--into", type=Path, default=RESULTS / "burst.txt", help="the recording")
    import uvloop  # noqa: PLC0415 - as the services do

    options = parser.parse_args()
    sys.exit(1 if report(options.into, *uvloop.run(spoken(options))) else 0)


if __name__ == "__main__":
    main()
