from __future__ import annotations

import asyncio

import numpy as np
import pytest
from structlog.testing import capture_logs

from earshot_device.core.directives import Speak
from earshot_device.core.ringbook import Occurrence
from earshot_device.sound.output import Channel, Output
from earshot_device.sound.ringing import Ringer
from earshot_device.sound.sinks import NullSink

pytestmark = pytest.mark.looptime

RATE = 1000


class Rough(NullSink):
    """A loudspeaker that fails so many times."""

    def __init__(self):
        super().__init__()
        self.failures = 0

    async def write(self, samples) -> None:
        """Count, or fail."""
        if self.failures:
            self.failures -= 1
            raise OSError("broken on purpose")
        await super().write(samples)

    async def discard(self) -> None:
        """Fail while writing does."""
        if self.failures:
            raise OSError("broken on purpose")


class Scene:
    """A ringer, and what is heard of it: seconds of ringing, and who was announced and for how long."""

    def __init__(self, *, ring_for_s: float = 600.0, words_s: float = 2.0):
        self.sink = Rough()
        self.output = Output(self.sink, rate=RATE)
        self.told: list[str] = []
        self.out: list[str] = []
        self.words_s = words_s
        self.failing = False
        self.ringer = Ringer(self.output, announce=self.announce, rang_out=self.out.append, ring_for_s=ring_for_s)

    async def announce(self, occurrence: Occurrence) -> None:
        """Say something for a while."""
        if self.failing:
            raise RuntimeError("broken on purpose")
        self.told.append(f"+{occurrence.occurrence_id}")
        try:
            await asyncio.sleep(self.words_s)
        except asyncio.CancelledError:
            self.told.append(f"!{occurrence.occurrence_id}")
            raise
        self.told.append(f"-{occurrence.occurrence_id}")

    @property
    def heard_s(self) -> float:
        """How much was rung."""
        return self.sink.sample_count / RATE


def due(name: str, words: str = "") -> Occurrence:
    """Return an occurrence, with an announcement if there are words."""
    return Occurrence(occurrence_id=name, announcement=Speak(text=words) if words else None)


async def test_ringing_ends_by_itself_and_says_so():
    """Each occurrence rings for so long from its own beginning; the last one's end is silence."""
    scene = Scene(ring_for_s=600.0)
    scene.ringer.ring(due("a"))
    await asyncio.sleep(100)
    scene.ringer.ring(due("b"))
    scene.ringer.ring(due("a"))
    await asyncio.sleep(501)
    assert scene.out == ["a"]
    await asyncio.sleep(1000)
    assert scene.out == ["a", "b"]
    assert scene.heard_s == pytest.approx(700, abs=0.5)
    scene.ringer.ring(due("c"))
    await asyncio.sleep(10)
    assert scene.heard_s == pytest.approx(710, abs=0.5)
    await scene.ringer.close()


async def test_announcements_come_before_ringing_one_after_the_other():
    """Two that are due at once are announced in turn, and then it rings; a later one is announced between rings."""
    scene = Scene()
    scene.ringer.ring(due("a", "first"))
    scene.ringer.ring(due("b", "second"))
    await asyncio.sleep(3.9)
    assert scene.told == ["+a", "-a", "+b"]
    assert scene.heard_s == 0
    await asyncio.sleep(2.1)
    assert scene.heard_s == pytest.approx(2.0, abs=0.21)
    scene.ringer.ring(due("c", "third"))
    await asyncio.sleep(2.2)
    assert scene.told == ["+a", "-a", "+b", "-b", "+c", "-c"]
    await scene.ringer.close()


async def test_a_dismissal_during_an_announcement_stops_both():
    """The announcement of what is dismissed is cut and it never rings; another one that is due goes on."""
    scene = Scene()
    scene.ringer.ring(due("a", "first"))
    await asyncio.sleep(0.5)
    await scene.ringer.stop("a")
    await asyncio.sleep(10)
    assert scene.told == ["+a", "!a"]
    assert scene.heard_s == 0
    scene.ringer.ring(due("b", "second"))
    scene.ringer.ring(due("c", "third"))
    await asyncio.sleep(1)
    await scene.ringer.stop("b")
    await asyncio.sleep(5)
    assert scene.told[2:] == ["+b", "!b", "+c", "-c"]
    assert scene.heard_s == pytest.approx(3.0, abs=0.21)
    await scene.ringer.stop("c")


async def test_an_announcement_that_fails_is_followed_by_ringing(caplog):
    """Whatever is wrong with the words, it rings."""
    scene = Scene()
    scene.failing = True
    scene.ringer.ring(due("a", "first"))
    await asyncio.sleep(2)
    assert scene.heard_s == pytest.approx(2.0, abs=0.21)
    await scene.ringer.close()
    caplog.clear()


async def test_a_turn_makes_ringing_wait():
    """Nothing rings while a turn is held; it goes on behind it, and a dismissal meanwhile leaves it silent."""
    scene = Scene()
    scene.ringer.ring(due("a"))
    await asyncio.sleep(1)
    with scene.output.hold(Channel.TURN):
        await scene.output.write(Channel.TURN, np.zeros(3 * RATE, np.int16))
        before = scene.heard_s
    assert before == pytest.approx(4.0, abs=0.21)
    await asyncio.sleep(1)
    assert scene.heard_s == pytest.approx(5.0, abs=0.21)
    with scene.output.hold(Channel.TURN):
        await asyncio.sleep(1)
        before = scene.heard_s
        await scene.ringer.stop("a")
    await asyncio.sleep(5)
    assert scene.heard_s == before


async def test_a_loudspeaker_that_fails_is_tried_again():
    """One error costs a second of ringing, and not every ring that follows; it is reported once a fault."""
    scene = Scene()
    with capture_logs() as logs:
        scene.sink.failures = 3
        scene.ringer.ring(due("a"))
        await asyncio.sleep(10)
        assert scene.heard_s == pytest.approx(7.0, abs=0.21)
        await scene.ringer.stop("a")
        scene.sink.failures = 1
        scene.ringer.ring(due("b", "words"))
        await asyncio.sleep(6)
    assert scene.told == ["+b", "-b"]
    assert scene.heard_s == pytest.approx(10.0, abs=0.41)
    assert [line["code"] for line in logs] == ["ringing_failed"] * 2
    await scene.ringer.close()


async def test_a_loudspeaker_that_never_works_rings_out_and_can_be_stopped():
    """What nobody can hear ends after its time; a stop that can't silence the sink is a stop, and the next one rings."""
    scene = Scene(ring_for_s=20.0)
    with capture_logs():
        scene.sink.failures = 1_000_000
        scene.ringer.ring(due("a"))
        await asyncio.sleep(25)
        assert scene.out == ["a"]
        scene.ringer.ring(due("b"))
        await asyncio.sleep(2)
        await scene.ringer.stop("b")
        scene.sink.failures = 0
        scene.ringer.ring(due("c"))
        await asyncio.sleep(5)
    assert scene.heard_s == pytest.approx(5.0, abs=0.21)
    await scene.ringer.close()
