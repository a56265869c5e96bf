"""bench-in-hand: how long a turn's message is unacknowledged in each consumer that KEDA asks about, when nobody else speaks.

Usage: python -m bench.in_hand [--rounds N]

A stack with one replica of each service, and one device, whose turns follow one another. The messages that each consumer
has waiting and in hand, which is what KEDA counts, are summed over time and divided by the turns. `earshot capacity` assumes as much
or more (earshot_cli.capacity.in_hand).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import nats
from nats.js import JetStreamContext

from bench.results import machine, table, write
from earshot_device import OutcomeKind, TurnResult
from earshot_local.stack import Stack
from earshot_topology import streams
from earshot_topology.streams import Consumer
from earshot_topology.subjects import DeviceAddress
from support.stack import device, speech

PHRASES = (
    "what time is it in Tokyo",
    "what's the date today",
    "what's the weather in Paris tomorrow",
    "play some jazz",
)
CONSUMERS = (streams.ASR_STARTED, streams.NLU_TRANSCRIBED, streams.DIALOGUE_INTERPRETED, streams.TTS_OUTCOMES)
_READY_S = 300.0
_LOOK_S = 0.01
# What is in hand when the last turn was heard.
_AFTER_S = 5.0


async def message_seconds(jetstream: JetStreamContext, consumer: Consumer, ended: asyncio.Event) -> float:
    """Return messages times seconds of a consumer until an event."""
    total, before = 0.0, time.monotonic()
    while not ended.is_set():
        info = await jetstream.consumer_info(consumer.stream, consumer.durable)
        now = time.monotonic()
        total += ((info.num_pending or 0) + (info.num_ack_pending or 0)) * (now - before)
        before = now
        await asyncio.sleep(_LOOK_S)
    return total


async def bench(rounds: int) -> int:
    """Measure; print a table; return an exit status: 1 when a turn was not answered."""
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(home=Path(folder)) as stack:
            await stack.ready(_READY_S)
            client = await nats.connect(
                stack.nats_url, user_credentials=str(stack.creds("admin")), inbox_prefix="_INBOX_admin"
            )
            # What a process makes once, for the first turn, is none of the others'.
            await _speak(stack, PHRASES)
            ended = asyncio.Event()
            looking = [asyncio.create_task(message_seconds(client.jetstream(), each, ended)) for each in CONSUMERS]
            results = await _speak(stack, PHRASES * rounds)
            await asyncio.sleep(_AFTER_S)
            ended.set()
            totals = await asyncio.gather(*looking)
            await client.close()
    figures: dict[str, float | int | None] = {
        "turns": len(results),
        "spoken_s": fmean(result.utterance_s for result in results),
        "heard_s": fmean(len(result.answer) / (result.answer_rate or 1) for result in results),
    }
    figures |= {each.durable: total / len(results) for each, total in zip(CONSUMERS, totals, strict=True)}
    print(table(("a turn", "s"), [(name, f"{value:.3f}") for name, value in figures.items() if name != "turns"]))
    print(f"{len(results)} turns; {machine()}; {write('in-hand', figures)}")
    return 0 if all(result.kind is OutcomeKind.ANSWERED for result in results) else 1


async def _speak(stack: Stack, phrases: Sequence[str]) -> list[TurnResult]:
    """Say one phrase after the other, in real time."""
    async with device(stack, DeviceAddress("h1", "d1"), capture_speed=1.0) as speaker:
        results = []
        for phrase in phrases:
            results.append(await speaker.say(await speech(stack, phrase, "en-US")))
            await speaker.settled()
    return results


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description="How long a message of a turn is in the hands of each consumer.")
    parser.add_argument("--rounds", type=int, default=3, help=f"times that {len(PHRASES)} phrases are spoken")
    return asyncio.run(bench(parser.parse_args().rounds))


if __name__ == "__main__":
    sys.exit(main())
