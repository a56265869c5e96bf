"""Turns that belong together: a missing slot, a follow-up, stop."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from earshot.dialogue.v1 import outcome_pb2
from earshot_device import NullSink, OutcomeKind
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.stack import converse, device, speech


class Loudspeaker(NullSink):
    """Tells when something is heard from it."""

    def __init__(self) -> None:
        super().__init__()
        self.sounding = asyncio.Event()

    async def write(self, samples: NDArray[np.int16]) -> None:
        """Listen."""
        await super().write(samples)
        if np.abs(samples.astype(np.int32)).max(initial=0) > 1000:
            self.sounding.set()


@pytest.mark.parametrize(
    ("locale", "first", "second", "city"),
    [("en-US", "what is the weather", "Paris", "Paris"), ("zh-CN", "天气怎么样", "巴黎", "巴黎")],
)
async def test_missing_slot_is_asked_for_and_filled(
    stack: Stack, address: DeviceAddress, locale: str, first: str, second: str, city: str
) -> None:
    """A missing slot is asked for once; the next turn of the device fills it, on whichever replica it lands."""
    asked = await converse(stack, first, locale, address)
    assert asked.outcomes[-1].expects_reply
    filled = await converse(stack, second, locale, address)
    last = filled.outcomes[-1]
    assert (last.intent, last.kind) == ("weather.get_forecast", outcome_pb2.OUTCOME_KIND_ANSWERED)
    assert city in filled.answer
    assert last.turn.session_id == asked.outcomes[-1].turn.session_id
    assert last.turn.turn_index == 1
    other = DeviceAddress(address.household, f"{address.device}-other")
    stranger = await converse(stack, second, locale, other)
    assert stranger.outcomes[-1].intent != "weather.get_forecast", "a question leaked to another device"


async def test_same_turn_id_gives_the_same_outcome(stack: Stack, address: DeviceAddress) -> None:
    """A turn that is sent twice is decided once."""
    turn = "01890000-0000-7000-8000-000000000001"
    first = await converse(stack, "what time is it", "en-US", address, turn_id=turn)
    second = await converse(stack, "what time is it", "en-US", address, turn_id=turn)
    assert first.outcomes[0].outcome_id == second.outcomes[0].outcome_id


async def test_follow_up_is_spoken_into_the_open_microphone(stack: Stack, address: DeviceAddress) -> None:
    """A question reopens the microphone; what is said then belongs to the same session."""
    async with device(stack, address) as speaking:
        asked = await speaking.say(await speech(stack, "what is the weather", "en-US"))
        assert asked.expects_reply
        assert speaking.follow_up is not None
        filled = await speaking.say(await speech(stack, "Paris", "en-US"))
    assert filled.kind is OutcomeKind.ANSWERED
    assert filled.session_id == asked.session_id
    assert filled.segments[-1].intent == "weather.get_forecast"


async def test_barge_in_stops_the_answer(stack: Stack, address: DeviceAddress) -> None:
    """Who speaks over an answer is heard: the answer stops, the new turn is answered."""
    long_question = await speech(stack, "what's the weather in Paris tomorrow", "en-US")
    interruption = await speech(stack, "what time is it", "en-US")
    loudspeaker = Loudspeaker()
    async with device(stack, address, sink=loudspeaker, playback_speed=1.0) as speaking:
        first = asyncio.create_task(speaking.say(long_question))
        await asyncio.wait_for(loudspeaker.sounding.wait(), 20)
        second = await speaking.say(interruption)
        interrupted = await first
    assert interrupted.interrupted
    assert interrupted.answer.size
    assert second.kind is OutcomeKind.ANSWERED
    assert second.segments[-1].intent == "clock.get_time"


async def test_silence_is_rejected_without_a_sound(stack: Stack, address: DeviceAddress) -> None:
    """A device that heard nobody gets a REJECTED outcome and plays nothing."""
    async with device(stack, address, trailing_silence_s=8.0) as speaking:
        result = await speaking.say(np.zeros(16_000, np.int16))
    assert result.kind is OutcomeKind.REJECTED
    assert result.answer.size == 0
    assert result.abandoned is None
