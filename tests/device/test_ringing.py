from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from earshot.device.v1 import directive_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_device import NullSink

SPEECH = np.full(1600, 1000, np.int16)
RATE = 24_000
SLOW = 20.0
"""Ringing as fast as it goes would leave the loop no time; twenty times as fast as real does."""


class Ear(NullSink):
    """Tells speech, whose frames are flat, from ringing, which is not."""

    def __init__(self):
        super().__init__()
        self.heard: list[str] = []

    async def write(self, samples):
        """Keep what is heard, without repeats; silence is nothing."""
        self.sample_count += len(samples)
        if samples.any():
            kind = "speech" if samples.min() == samples.max() else "ring"
            if self.heard[-1:] != [kind]:
                self.heard.append(kind)


def ring(name: str, *, words: str = "", again: str = "", expires_in_s: float | None = None) -> directive_pb2.Directive:
    """Return a Ring as the scheduler sends it; `again` makes it another directive of the same occurrence."""
    directive = directive_pb2.Directive(
        directive_id=f"ring.{name}{again}", ring=directive_pb2.Ring(occurrence_id=name, label="eggs")
    )
    if words:
        directive.ring.announcement.text, directive.ring.announcement.locale = words, "en-US"
    if expires_in_s is not None:
        directive.expire_time.FromNanoseconds(time.time_ns() + int(expires_in_s * 1e9))
    return directive


def stop(name: str, *, by: str = "stop_ring.") -> directive_pb2.Directive:
    """Return a StopRing, the scheduler's unless told otherwise."""
    return directive_pb2.Directive(directive_id=f"{by}{name}", stop_ring=directive_pb2.StopRing(occurrence_id=name))


async def until(ready) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(10):
        while not ready():
            await asyncio.sleep(0.005)


def names(device) -> list[str]:
    """Return what rings."""
    return [occurrence.occurrence_id for occurrence in device.ringing]


async def test_one_occurrence_rings_once(cloud, open_device, tmp_path):
    """The same Ring again, or another directive for it, changes nothing; dismissed, it never rings again."""
    ear = Ear()
    device = await open_device(sink=ear, playback_speed=SLOW, state_file=tmp_path / "state.json")
    for directive in (ring("a"), ring("a"), ring("a", again="x")):
        await cloud.direct(directive)
    await cloud.event("directive_acknowledged", 2)
    await until(lambda: ear.heard)
    assert [occurrence.label for occurrence in device.ringing] == ["eggs"]
    assert await device.dismiss() == ("a",)
    silent = ear.sample_count
    for directive in (ring("a"), ring("a", again="y"), stop("a")):
        await cloud.direct(directive)
    await cloud.event("directive_acknowledged", 4)
    await cloud.settled(device)
    assert cloud.dismissals == ["a"]
    assert ear.sample_count == silent
    rings = [event.state_changed.ringing_occurrence_ids for event in cloud.of_kind("state_changed")]
    assert rings == [["a"], []]


async def test_a_stop_that_comes_first_wins(cloud, open_device):
    """The scheduler's StopRing before its Ring: it never rings, and the scheduler is not told what it knows."""
    device = await open_device(playback_speed=SLOW)
    await cloud.direct(stop("a"))
    await cloud.direct(ring("a"))
    await cloud.direct(ring("b"))
    await cloud.event("directive_acknowledged", 3)
    assert names(device) == ["b"]
    assert await device.dismiss("a") == ()
    assert await device.dismiss("b") == ("b",)
    await cloud.settled(device)
    assert cloud.dismissals == ["b"]


async def test_an_expired_ring_is_silent(cloud, open_device):
    """A Ring that comes too late is refused with a code."""
    device = await open_device(playback_speed=SLOW)
    await cloud.direct(ring("a", expires_in_s=-1))
    failed = (await cloud.event("directive_failed")).directive_failed
    assert (failed.directive_id, failed.error.code) == ("ring.a", "directive_expired")
    assert names(device) == []


async def test_ringing_ends_after_a_while_and_is_told(cloud, open_device):
    """What nobody stops is dismissed by the device itself."""
    device = await open_device(playback_speed=SLOW, ring_for_s=0.3)
    await cloud.direct(ring("a"))
    await cloud.until(lambda: cloud.dismissals == ["a"])
    assert names(device) == []


async def test_a_restart_rings_on_and_tells(cloud, open_device, tmp_path):
    """What rang rings on with what is left of its words and time; what has expired meanwhile is silent and told."""
    state = tmp_path / "state.json"
    first = await open_device(playback_speed=SLOW, state_file=state)
    await cloud.direct(ring("old", expires_in_s=0.5))
    await cloud.direct(ring("a", expires_in_s=600))
    await cloud.event("directive_acknowledged", 2)
    expired = time.monotonic() + 0.5
    await first.__aexit__(None, None, None)
    await asyncio.sleep(max(0, expired - time.monotonic()))
    ear = Ear()
    second = await open_device(playback_speed=SLOW, state_file=state, sink=ear)
    assert names(second) == ["a"]
    await until(lambda: ear.heard)
    await cloud.direct(ring("a", expires_in_s=600))
    await cloud.until(lambda: cloud.dismissals == ["old"])
    # Said to be everything, by a stop that was said to the device: it is told.
    await cloud.direct(directive_pb2.Directive(directive_id="turn.0", stop_ring=directive_pb2.StopRing()))
    await cloud.until(lambda: cloud.dismissals == ["old", "a"])
    third = await open_device(playback_speed=SLOW, state_file=state)
    await cloud.direct(ring("a", again="x"))
    await cloud.event("directive_acknowledged", 4)
    assert names(third) == []


async def test_missed_directives_are_asked_for_until_they_are_answered(cloud, open_device, tmp_path):
    """Each new connection asks, again and again while nobody answers; what comes is carried out in order, once."""
    cloud.answers_requests = False
    cloud.missed = [ring("a"), ring("b"), stop("a")]
    device = await open_device(playback_speed=SLOW, state_file=tmp_path / "state.json")
    await cloud.direct(ring("b"))
    await cloud.until(lambda: cloud.missed_requests >= 1)
    cloud.answers_requests = True
    await cloud.event("directive_acknowledged", 3)
    done = [event.directive_acknowledged.directive_id for event in cloud.of_kind("directive_acknowledged")]
    assert done == ["ring.b", "ring.a", "stop_ring.a"]
    assert names(device) == ["b"]
    asked = cloud.missed_requests
    await device.__aexit__(None, None, None)
    again = await open_device(playback_speed=SLOW, state_file=tmp_path / "state.json")
    await cloud.until(lambda: cloud.missed_requests > asked)
    await cloud.settled(again)
    assert len(cloud.of_kind("directive_acknowledged")) == 3
    assert names(again) == ["b"]


async def test_what_a_standing_connection_did_not_bring_is_asked_for(cloud, open_device):
    """A device whose connection was never lost asks now and then: a Ring that was stored and never came rings."""
    device = await open_device(playback_speed=SLOW, directives_every_s=1.0)
    await cloud.until(lambda: cloud.missed_requests >= 2)
    cloud.missed = [ring("a")]
    await cloud.event("directive_acknowledged")
    assert names(device) == ["a"]
    asked = cloud.missed_requests
    await cloud.until(lambda: cloud.missed_requests > asked + 1)
    assert len(cloud.of_kind("directive_acknowledged")) == 1
    assert len(cloud.of_kind("connected")) == 1


async def announced(cloud, *, frames: int = 3) -> str:
    """Answer an announcement with speech; return its turn."""
    await cloud.until(lambda: bool(cloud.announcements))
    turn = cloud.announcements[0].turn_id
    await cloud.outcome(turn, text="Eggs.")
    await cloud.speak(cloud.speech(turn, frames))
    return turn


async def test_an_announcement_is_heard_before_the_ring(cloud, open_device):
    """The words come as the outcome of a turn of their own, which is told like any; then it rings."""
    cloud.announces = True
    ear = Ear()
    device = await open_device(sink=ear, playback_speed=SLOW)
    await cloud.direct(ring("a", words="The eggs are done."))
    turn = await announced(cloud)
    await until(lambda: ear.heard == ["speech", "ring"])
    asked = cloud.announcements[0]
    assert (asked.text, asked.locale, asked.boot_id) == ("The eggs are done.", "en-US", device.boot_id)
    assert asked.playback_format.sample_rate_hertz == RATE
    assert {request.turn_id for request in cloud.announcements} == {turn}
    assert (await cloud.event("playback_finished")).turn_id == turn
    await device.dismiss()
    await cloud.settled(device)
    assert not cloud.of_kind("turn_abandoned")


async def test_an_announcement_whose_outcome_was_lost_is_asked_for(cloud, open_device):
    """The claim was acknowledged and its copy was lost: the device asks, as for any turn."""
    cloud.announces = True
    ear = Ear()
    await open_device(sink=ear, playback_speed=SLOW)
    cloud.on_outcome_request = lambda turn: cloud.outcome(turn, text="Eggs.")
    await cloud.direct(ring("a", words="The eggs are done."))
    await cloud.until(lambda: bool(cloud.announcements))
    await cloud.speak(cloud.speech(cloud.announcements[0].turn_id, 3))
    await until(lambda: ear.heard == ["speech", "ring"])
    assert cloud.outcome_requests


@pytest.mark.parametrize("fault", ["nobody", "no_sound", "cancelled"])
async def test_without_words_it_just_rings(cloud, open_device, fault):
    """Nobody takes the announcement, no sound of it comes, or it has no words: it rings, and late words are not heard."""
    cloud.announces = fault != "nobody"
    ear = Ear()
    device = await open_device(sink=ear, playback_speed=SLOW, announcement_timeout_s=1.0)
    await cloud.direct(ring("a", words="The eggs are done."))
    await cloud.until(lambda: bool(cloud.announcements))
    turn = cloud.announcements[0].turn_id
    if fault == "no_sound":
        await cloud.outcome(turn, text="Eggs.")
    elif fault == "cancelled":
        await cloud.outcome(turn, text="", kind=outcome_pb2.OUTCOME_KIND_CANCELLED)
    await until(lambda: bool(ear.heard))
    abandoned = await cloud.event("turn_abandoned")
    assert (abandoned.turn_id, abandoned.turn_abandoned.reason) == (turn, "cloud_timeout")
    await cloud.outcome(turn, outcome_id="o1", text="Eggs.", segment_index=1)
    await cloud.speak(cloud.speech(turn, 3))
    await until(lambda: device.dropped.get("late", 0) >= 3)
    assert ear.heard == ["ring"]


async def test_an_announcement_that_is_refused_for_good_is_not_repeated(cloud, open_device):
    """Words that nobody here can speak do not hold the ring up; a cloud that is only busy is asked again."""
    cloud.refuses_announcements = "overloaded"
    ear = Ear()
    await open_device(sink=ear, playback_speed=SLOW)
    await cloud.direct(ring("a", words="The eggs are done."))
    await cloud.until(lambda: len(cloud.announcements) >= 2)
    assert ear.heard == []
    cloud.refuses_announcements = "unknown_locale"
    asked = len(cloud.announcements)
    await until(lambda: ear.heard == ["ring"])
    assert len(cloud.announcements) <= asked + 2
    assert (await cloud.event("turn_abandoned")).turn_id == cloud.announcements[0].turn_id


@pytest.mark.parametrize("code", ["unknown_locale", "invalid_announcement", "invalid_id"])
async def test_a_refusal_for_good_rings_at_the_first_answer(cloud, open_device, code):
    """Each code that asking again can't change: one request, then the ring."""
    cloud.refuses_announcements = code
    ear = Ear()
    await open_device(sink=ear, playback_speed=SLOW)
    await cloud.direct(ring("a", words="The eggs are done."))
    await until(lambda: ear.heard == ["ring"])
    assert len(cloud.announcements) == 1


async def test_words_that_stop_coming_are_followed_by_the_ring(cloud, open_device):
    """TTS dies in the middle of the words: what came is heard, then it rings."""
    cloud.announces = True
    ear = Ear()
    await open_device(sink=ear, playback_speed=SLOW, announcement_timeout_s=1.0)
    await cloud.direct(ring("a", words="The eggs are done."))
    await cloud.until(lambda: bool(cloud.announcements))
    turn = cloud.announcements[0].turn_id
    await cloud.outcome(turn, text="Eggs.")
    frames = cloud.speech(turn, 5)[:3]
    cloud.captured.clear()
    await cloud.speak(frames)
    await until(lambda: ear.heard == ["speech", "ring"])
    assert (await cloud.event("playback_interrupted")).turn_id == turn


async def test_a_dismissal_during_the_announcement_stops_both(cloud, open_device):
    """The words are cut, the cloud is told how far they came, and nothing rings."""
    cloud.announces = True
    ear = Ear()
    device = await open_device(sink=ear, playback_speed=1.0)
    await cloud.direct(ring("a", words="The eggs are done."))
    turn = await announced(cloud, frames=100)
    await until(lambda: ear.heard == ["speech"])
    assert await device.dismiss() == ("a",)
    silent = ear.sample_count
    interrupted = await cloud.event("playback_interrupted")
    assert interrupted.turn_id == turn
    await cloud.settled(device)
    assert cloud.dismissals == ["a"]
    assert ear.sample_count == silent
    assert ear.heard == ["speech"]


async def test_a_turn_is_heard_between_the_words_and_they_go_on(cloud, open_device):
    """A user's turn makes the announcement wait where it is; behind the turn the rest of it is heard, then the ring."""
    cloud.announces = True
    ear = Ear()
    device = await open_device(sink=ear, playback_speed=1.0)
    await cloud.direct(ring("a", words="The eggs are done."))
    await announced(cloud, frames=20)
    await until(lambda: ear.heard == ["speech"])
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    before = ear.sample_count
    await asyncio.sleep(0.3)  # Eight frames' time: the words wait, but for the frame that was being played.
    assert ear.sample_count - before <= RATE // 25
    await cloud.outcome(turn, outcome_id="o2", text="Noon.")
    await cloud.speak(cloud.speech(turn, 3, outcome_id="o2"))
    result = await saying
    assert [int(level) - 1 for level in result.answer[:: RATE // 25]] == [0, 1, 2]
    assert result.outcome_id == "o2"
    assert not cloud.of_kind("playback_interrupted")
    await until(lambda: ear.heard == ["speech", "ring"])
    await cloud.event("playback_finished", 2)
    finished = [event.playback_finished.outcome_id for event in cloud.of_kind("playback_finished")]
    assert finished == ["o2", "o1"]
    await cloud.settled(device)
    assert names(device) == ["a"]


async def test_a_turn_during_ringing_is_heard_and_ringing_goes_on(cloud, open_device):
    """Ringing waits for the turn's end and goes on; a turn that says stop ends it and is told."""
    ear = Ear()
    device = await open_device(sink=ear, playback_speed=SLOW)
    await cloud.direct(ring("a"))
    await until(lambda: ear.heard == ["ring"])
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.outcome(turn, text="Noon.")
    await cloud.speak(cloud.speech(turn, 3))
    await saying
    await until(lambda: ear.heard == ["ring", "speech", "ring"])
    assert names(device) == ["a"]
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started(2)
    everything = directive_pb2.Directive(directive_id=f"{turn}.0", stop_ring=directive_pb2.StopRing())
    kind = outcome_pb2.OUTCOME_KIND_CANCELLED
    await cloud.outcome(turn, outcome_id="o2", text="", kind=kind, directives=(everything,))
    await saying
    assert names(device) == []
    await cloud.settled(device)
    assert cloud.dismissals == ["a"]
