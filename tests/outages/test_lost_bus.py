"""The bus is killed under turns, and comes back before a turn's deadline, or after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chaos.checker import Verdict
from chaos.phases import Phase
from earshot.dialogue.v1 import outcome_pb2
from outages.homes import Outages, clip_alone, home


@asynccontextmanager
async def no_bus(outages: Outages) -> AsyncIterator[None]:
    """SIGKILL the only server; at the end it is started again, with what was on its disk."""
    server = outages.stack.processes["nats-server"]
    server.kill()
    # Nobody starts it anew meanwhile.
    await server.stop()
    try:
        yield
    finally:
        server.start()
        await server.ready()


@pytest.mark.timeout(90)
async def test_a_bus_that_is_back_before_the_deadline_costs_nothing(outages: Outages) -> None:
    """Killed in the middle of an utterance, in the middle of an answer, and just before somebody begins to speak.

    What it held in memory is lost: captured frames of utterances and answers come again from those who made them.
    """
    url = outages.stack.nats_url
    async with (
        home(outages, url=url) as speaking,
        home(outages, "zh-CN", url=url, playback_speed=1.0, speech_timeout_s=6.0) as listening,
        home(outages, url=url) as late,
    ):
        hearing = listening.begin()
        await listening.enters(Phase.SOUNDING)
        saying = speaking.begin(seconds=3.0)
        await speaking.enters(Phase.SPEAKING)
        await asyncio.sleep(1.0)
        async with no_bus(outages):
            coming = late.begin(seconds=2.0)
            await late.enters(Phase.SPEAKING)
            await asyncio.sleep(0.5)
        await asyncio.gather(hearing, saying, coming)
    for here in (speaking, listening, late):
        assert here.judged() == [Verdict.ANSWERED], here.told()


@pytest.mark.timeout(90)
async def test_a_bus_that_is_back_after_the_deadline_costs_an_apology_and_no_more(outages: Outages) -> None:
    """The device's own clip; the next turn works as soon as the bus is back, and the cloud hears of the lost ones."""
    url = outages.stack.nats_url
    async with home(outages, url=url) as speaking, home(outages, "zh-CN", url=url) as late:
        saying = speaking.begin(seconds=1.5)
        await speaking.enters(Phase.SPEAKING)
        await asyncio.sleep(0.5)
        async with no_bus(outages):
            lost = await asyncio.gather(saying, late.begin())
        again = await asyncio.gather(speaking.say(), late.say())
    for here, turn in zip((speaking, late), lost, strict=True):
        assert here.judged() == [Verdict.APOLOGISED, Verdict.ANSWERED], here.told()
        assert clip_alone(here.turns()[0]), here.told()
        outcome = await outages.outcome(here, turn.turn_id)
        assert outcome.kind in {outcome_pb2.OUTCOME_KIND_CANCELLED, outcome_pb2.OUTCOME_KIND_APOLOGISED}
    assert all(turn.ended_at is not None for turn in again)


@pytest.mark.timeout(90)
async def test_quotas_hold_again_when_the_bus_is_back(outages: Outages) -> None:
    """The counters lived in the server's memory: the recogniser makes their stream anew, and counts on it."""
    async with no_bus(outages):
        pass
    async with home(outages, url=outages.stack.nats_url) as here, asyncio.timeout(60):
        await here.say()
        # A counter that did not answer in the first moment is left alone for two seconds.
        while not (counted := await outages.counted(here)):
            await here.say()
    assert counted <= len(here.turns())
    assert set(here.judged()) == {Verdict.ANSWERED}, here.told()
