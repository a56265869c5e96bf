"""A ringing is a sound that was played, for what the device says that it rings for."""

from __future__ import annotations

import asyncio

import numpy as np

from chaos.sounding import RATE
from chaos.timer_hearing import RingEar
from earshot_device.core.events import StateChanged
from earshot_device.sound import tones

BLOCK = RATE // 10


def state(*ringing: str) -> StateChanged:
    """Return what a device tells while it rings for these."""
    return StateChanged(
        volume_percent=50, muted=False, media_item_id="", media_playing=False, media_offset_s=0.0, ringing=ringing
    )


async def sound(ear: RingEar, periods: int = 1) -> None:
    """Play the ringing, block by block."""
    period = tones.ring(RATE)
    for _ in range(periods):
        for begin in range(0, len(period), BLOCK):
            await ear.write(period[begin : begin + BLOCK])


async def test_each_ringing_is_written_down_with_what_it_is_for():
    """Also one that rings over another, and one that rings again."""
    ear = RingEar("d")
    ear.happened(state("a.1.5"))
    await sound(ear)
    ear.happened(state("a.1.5", "b.1.6"))
    await sound(ear)
    ear.happened(state("b.1.6"))
    ear.happened(state("b.1.6", "a.1.5"))
    await sound(ear)
    ear.happened(state())
    assert [rang.occurrence_id for rang in ear.rings] == ["a.1.5", "b.1.6", "a.1.5"]
    assert all(rang.ended_at is not None for rang in ear.rings)
    assert (ear.rings[0].schedule_id, ear.rings[0].second) == ("a", 5)


async def test_what_the_device_only_says_has_not_rung():
    """Neither its word, nor silence, nor speech is a ringing."""
    ear = RingEar("d")
    ear.happened(state("a.1.5"))
    await ear.write(np.zeros(BLOCK, np.int16))
    await ear.write(np.arange(BLOCK, dtype=np.int16))
    assert ear.sounding("a") is None
    ear.happened(state())
    assert ear.rings == []


async def test_ringing_for_nothing_is_written_down_once_and_a_last_block_is_not():
    """Output may have a block on its way when the last ringing is stopped."""
    ear = RingEar("d")
    ear.happened(state("a.1.5"))
    await sound(ear)
    ear.happened(state())
    await ear.write(tones.ring(RATE)[:BLOCK])
    assert [rang.occurrence_id for rang in ear.rings] == ["a.1.5"]
    await sound(ear, 3)
    assert [rang.occurrence_id for rang in ear.rings] == ["a.1.5", ""]


async def test_who_waits_for_a_ringing_is_told_when_it_sounds():
    """And after a while that it does not."""
    ear = RingEar("d")
    assert not await ear.until(lambda: ear.sounding("a"), 0.01)
    waiting = asyncio.create_task(ear.until(lambda: ear.sounding("a"), 30.0))
    await asyncio.sleep(0)
    ear.happened(state("a.1.5"))
    assert not waiting.done()
    await sound(ear)
    assert await waiting
