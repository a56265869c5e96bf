"""The network of a household is gone, or comes and goes: between turns, in a turn, all the time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import pytest

from chaos.checker import Verdict
from chaos.cutting import Line
from chaos.phases import Phase
from earshot.dialogue.v1 import outcome_pb2
from outages.homes import Home, Outages, clip_alone, home

# Longer than every deadline here, and than a device trusts a silent connection; `make outages` has 30 s of it.
OUTAGE_S: Final = float(os.environ.get("OUTAGE_S", "6"))
FLAP_S: Final = 2.0
LONG_S: Final = 6.0
Way = Callable[[Line], AbstractAsyncContextManager[None]]
# Connections stay open and say nothing; connections are closed and refused.
WAYS: Final = (Line.held, Line.dropped)


@asynccontextmanager
async def flapping(network: Line, way: Way) -> AsyncIterator[list[float]]:
    """Take the network away for two seconds, give it back for two, and so on."""
    gone: list[float] = []

    async def flap() -> None:
        while True:
            async with way(network):
                await asyncio.sleep(FLAP_S)
            gone.append(FLAP_S)
            await asyncio.sleep(FLAP_S)

    task = asyncio.create_task(flap())
    try:
        yield gone
    finally:
        task.cancel()
        await asyncio.wait({task})


async def talks_while_it_flaps(outages: Outages, way: Way, locale: str) -> Home:
    """Have a turn from its first word to the last one of its answer."""
    async with home(outages, locale, playback_speed=1.0, answer_timeout_s=10.0, speech_timeout_s=6.0) as here:
        turn = here.begin(seconds=4.0)
        await here.enters(Phase.SPEAKING)
        async with flapping(here.network, way) as gone:
            await turn
        assert len(gone) >= 2
    return here


async def talks_before_and_after(outages: Outages, way: Way, locale: str) -> Home:
    """Have a turn, have no network, have another turn."""
    async with home(outages, locale) as here:
        await here.say()
        async with way(here.network):
            await asyncio.sleep(OUTAGE_S)
        await here.say()
    return here


async def talks_through(outages: Outages, way: Way, locale: str) -> Home:
    """Have a turn whose middle was said without a network: longer than a gap is waited for, back before the deadline."""
    async with home(outages, locale) as here:
        turn = here.begin(seconds=2.0 + LONG_S)
        await here.enters(Phase.SPEAKING)
        await asyncio.sleep(1.0)
        async with way(here.network):
            await asyncio.sleep(LONG_S)
        await turn
    return here


async def talks_without_hearing(outages: Outages, _way: Way, locale: str) -> Home:
    """Have a turn whose answer is decided and spoken while nothing reaches the device; what it decides is final."""
    async with home(outages, locale, listen_on_s=2.0) as here:
        turn = here.begin()
        turn_id = await outages.turn_of(here)
        async with here.network.deaf():
            decided = await outages.outcome(here, turn_id)
            await turn
        await outages.seen(turn_id, "turn_abandoned")
        await here.say()
    assert clip_alone(here.turns()[0]), here.told()
    assert decided.kind == outcome_pb2.OUTCOME_KIND_ANSWERED
    assert await outages.outcome(here, turn_id) == decided
    return here


async def talks_into_the_void(outages: Outages, way: Way, locale: str) -> Home:
    """Have a turn in whose middle the network goes, one without any, and one when it is back."""
    async with home(outages, locale) as here:
        turn = here.begin(seconds=2.0)
        await here.enters(Phase.SPEAKING)
        await asyncio.sleep(0.6)
        async with way(here.network):
            outage = asyncio.create_task(asyncio.sleep(OUTAGE_S))
            lost = await turn
            without = await here.say()
            await outage
        await here.say()
    assert clip_alone(lost), here.told()
    assert clip_alone(without), here.told()
    await outages.seen(lost.turn_id, "turn_abandoned")
    await outages.seen(without.turn_id, "turn_abandoned")
    return here


@pytest.mark.timeout(180)
async def test_networks_that_go_and_come(outages: Outages) -> None:
    """Several households at once, each with a network of its own; a connection may stay open, or be closed.

    Gone for 2 s, back for 2 s, over utterance and answer: the right answer, whole, under one turn id. Gone for 6 s of an
    utterance: the right answer. Gone between turns: nothing is noticed. Gone in a turn, and for the next one: the device's own apology, each time; the turn after
    works as soon as the network is back, and the cloud has been told which turns were given up. An answer that comes after
    the device's apology is not heard.
    """
    right, sorry = Verdict.ANSWERED, Verdict.APOLOGISED
    async with asyncio.TaskGroup() as group:
        cases = [
            (group.create_task(talks(outages, way, locale)), expected)
            for talks, expected in (
                (talks_while_it_flaps, [right]),
                (talks_through, [right]),
                (talks_before_and_after, [right, right]),
                (talks_without_hearing, [sorry, right]),
                (talks_into_the_void, [sorry, sorry, right]),
            )
            for way, locale in zip(WAYS, ("en-US", "zh-CN"), strict=True)
        ]
    for talked, expected in cases:
        here = talked.result()
        assert here.judged() == expected, here.told()
