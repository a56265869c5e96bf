"""A disk or a loudspeaker that fails costs what it must, and nothing that comes after it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from earshot.device.v1 import directive_pb2
from earshot_device import NullSink
from earshot_device.core.directives import Directive, Pause
from earshot_device.core.ids import DirectiveId, OutcomeId, TurnId
from earshot_device.core.ringbook import Occurrence
from earshot_device.decisions import Decisions
from earshot_device.sound.ringing import Ringer
from support.fake_cloud import sequences_in

SPEECH = np.full(1600, 1000, np.int16)
SLOW = 20.0


@pytest.fixture
def logs() -> Iterator[list]:
    """Return what is logged: it is not to be on the terminal."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture(params=["file_for_a_folder", "removed_folder", "full_disk"])
def unwritable(request, tmp_path) -> Path:
    """Return a state file that can't be written, to root neither."""
    folder = tmp_path / "state"
    if request.param == "file_for_a_folder":
        folder.write_text("")
    elif request.param == "full_disk":
        folder.mkdir()
        (folder / "device.new").symlink_to("/dev/full")
    return folder / "device.json"


def repair(path: Path) -> None:
    """Make a state file writable."""
    path.with_suffix(".new").unlink(missing_ok=True) if path.parent.is_dir() else path.parent.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)


def ring(name: str) -> directive_pb2.Directive:
    """Return a Ring."""
    return directive_pb2.Directive(directive_id=f"ring.{name}", ring=directive_pb2.Ring(occurrence_id=name))


def volume(percent: int) -> directive_pb2.Directive:
    """Return a SetVolume."""
    command = directive_pb2.SetVolume(volume_percent=percent)
    return directive_pb2.Directive(directive_id=f"volume.{percent}", set_volume=command)


async def until(ready) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(10):
        while not ready():
            await asyncio.sleep(0.005)


def test_decisions_hold_without_a_disk_and_are_written_when_there_is_one(unwritable, logs):
    """Every decision is made and kept in memory, the fault is reported once; the first write that works holds them all."""
    decisions = Decisions(unwritable)
    assert decisions.bind(TurnId("t1"), OutcomeId("o1"))
    assert not decisions.bind(TurnId("t1"), OutcomeId("o2"))
    assert decisions.abandon(TurnId("t2"))
    assert decisions.ring(Occurrence(occurrence_id="a"))
    assert decisions.ring(Occurrence(occurrence_id="b"))
    assert decisions.stop_ring("a", tell=True)
    decisions.note_directive(Directive(directive_id=DirectiveId("d"), command=Pause(), revision=7))
    assert [(line["event"], line["code"]) for line in logs] == [("state_not_saved", "state_not_saved")]
    repair(unwritable)
    decisions.stop_told("a")
    after = Decisions(unwritable)
    assert not after.bind(TurnId("t1"), OutcomeId("o2"))
    assert not after.bind(TurnId("t2"), OutcomeId("o2"))
    assert after.directives == (DirectiveId("d"),)
    assert [occurrence.occurrence_id for occurrence in after.ringing] == ["b"]
    assert after.untold == ()


async def test_a_device_without_a_disk_answers_obeys_rings_and_tells(cloud, open_device, unwritable, logs):
    """Nothing that is heard or told depends on the state file."""
    sink = NullSink()
    device = await open_device(sink=sink, playback_speed=SLOW, state_file=unwritable, answer_timeout_s=1.0)
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 3))
    assert sequences_in((await saying).answer) == [0, 1, 2]
    abandoned = await device.say(SPEECH)
    assert abandoned.abandoned is not None
    assert (await cloud.event("turn_abandoned")).turn_abandoned.apology_played
    silent = sink.sample_count
    for directive in (ring("a"), volume(20), ring("b"), volume(30)):
        await cloud.direct(directive)
    await cloud.event("directive_acknowledged", 4)
    assert not cloud.of_kind("directive_failed")
    assert device.state.volume_percent == 30
    await until(lambda: sink.sample_count > silent)
    assert await device.dismiss() == ("a", "b")
    await device.settled()
    assert cloud.dismissals == ["a", "b"]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["state_not_saved"]


@pytest.mark.usefixtures("logs")
async def test_a_ring_that_failed_is_not_taken_as_carried_out(cloud, open_device, tmp_path, monkeypatch):
    """A ringer that fails: the cloud is told so, the directives behind it are obeyed, and the same Ring rings later."""
    state, sink, real = tmp_path / "state.json", NullSink(), Ringer.ring
    faults = [RuntimeError("broken on purpose")]

    def fails_once(self, occurrence) -> None:
        if faults:
            raise faults.pop()
        real(self, occurrence)

    monkeypatch.setattr(Ringer, "ring", fails_once)
    device = await open_device(sink=sink, playback_speed=SLOW, state_file=state)
    # Not as one that the device may miss: the cloud would send it again by itself.
    await cloud.client.publish(cloud.address.directive(), ring("a").SerializeToString())
    await cloud.direct(volume(20))
    assert (await cloud.event("directive_failed")).directive_failed.error.code == "internal"
    await cloud.event("directive_acknowledged")
    assert Decisions(state).directives == (DirectiveId("volume.20"),)
    assert sink.sample_count == 0
    await cloud.direct(ring("a"))
    await cloud.event("directive_acknowledged", 2)
    await until(lambda: sink.sample_count)
    assert set(Decisions(state).directives) == {"ring.a", "volume.20"}
    assert await device.dismiss() == ("a",)


async def test_what_fails_for_one_directive_or_event_ends_none_behind_it(cloud, open_device, logs, monkeypatch):
    """Whatever goes wrong when one is noted, the next one is carried out, sent and told."""
    broken = {"note_directive", "stop_told"}

    def failing(name):
        real = getattr(Decisions, name)

        def fails_once(self, *arguments):
            if name in broken:
                broken.discard(name)
                raise RuntimeError("broken on purpose")
            real(self, *arguments)

        return fails_once

    for name in tuple(broken):
        monkeypatch.setattr(Decisions, name, failing(name))
    device = await open_device(playback_speed=SLOW)
    for directive in (volume(20), volume(30), ring("a"), ring("b")):
        await cloud.direct(directive)
    await cloud.event("directive_acknowledged", 3)
    assert device.state.volume_percent == 30
    assert await device.dismiss() == ("a", "b")
    await device.settled()
    assert cloud.dismissals == ["a", "b"]
    assert not broken
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["directive_failed", "event_failed"]
