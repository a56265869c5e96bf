"""From the scheduler's directive to the loudspeaker and back, with real processes; docs/ringing.md tells the messages."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import numpy as np
import pytest

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import turn_pb2
from earshot.device.v1 import upstream_pb2
from support.ringing import Ear, ring, stop_ring, until
from support.stack import converse

pytestmark = pytest.mark.asyncio(loop_scope="package")

SPEECH = np.full(3200, 1000, np.int16)
WORDS = "Your eggs are done."


def names(device) -> list[str]:
    """Return what rings."""
    return [occurrence.occurrence_id for occurrence in device.ringing]


async def test_one_occurrence_rings_once_until_it_is_dismissed(scheduler, switch_on):
    """Repeated by the scheduler and asked for again after a restart: one ring, one dismissal, and silence from then on."""
    ear = Ear()
    device = await switch_on(ear)
    await scheduler.direct(ring("a"), ring("a"))
    await until(lambda: ear.heard == ["ring"])
    assert await device.dismiss() == ("a",)
    await scheduler.told("a")
    await scheduler.direct(ring("a"))
    await device.__aexit__(None, None, None)
    again = await switch_on(ear)
    await scheduler.direct(ring("b"))
    await until(lambda: names(again))
    assert names(again) == ["b"]
    await again.dismiss()
    await scheduler.told("a", "b")


async def test_what_was_missed_rings_when_the_device_is_back(scheduler, switch_on):
    """A device that was off rings what is due and not over: neither what expired nor what was stopped meanwhile."""
    await scheduler.direct(ring("old", expires_in_s=-1), ring("a"), ring("b"), stop_ring("a"), ring("c"))
    ear = Ear()
    device = await switch_on(ear)
    await until(lambda: len(device.ringing) == 2)
    await until(lambda: ear.heard == ["ring"])
    assert names(device) == ["b", "c"]
    await scheduler.direct(stop_ring("b"), stop_ring("later"), ring("later"))
    await scheduler.direct(ring("last"))
    await until(lambda: "last" in names(device))
    assert names(device) == ["c", "last"]
    await device.dismiss("c")
    # What the scheduler stopped is not told back to it.
    await scheduler.told("c")
    await device.dismiss()


@asynccontextmanager
async def process(stack, address, state: Path):
    """Run the device as a process."""
    arguments = [stack.nats_url, *address, str(stack.device_credentials(*address)), str(state)]
    script = Path(__file__).with_name("switched_on.py")
    running = await asyncio.create_subprocess_exec(
        sys.executable, str(script), *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGKILL)
        await running.wait()


async def rings(running, *expected: str) -> None:
    """Wait until a device that is a process rings exactly this."""
    async with asyncio.timeout(20):
        while json.loads(await running.stdout.readline()) != list(expected):
            pass


async def test_a_device_that_is_killed_while_it_rings_rings_on(stack, address, scheduler, tmp_path, switch_on):
    """SIGKILL in the middle of ringing: the next boot goes on by itself, and what is stopped then stays so."""
    state = tmp_path / "state.json"
    async with process(stack, address, state) as running:
        await scheduler.direct(ring("a"))
        await rings(running, "a")
    async with process(stack, address, state) as running:
        await rings(running, "a")
        await scheduler.direct(stop_ring("a"))
        await rings(running)
    device = await switch_on()
    await scheduler.direct(ring("a"), ring("b"))
    await until(lambda: names(device))
    assert names(device) == ["b"]


async def test_words_are_spoken_and_then_it_rings(scheduler, switch_on):
    """The announcement comes from the real TTS, as a turn that is played like any; ringing follows."""
    ear, happenings = Ear(), []
    device = await switch_on(ear, happened=lambda happening: happenings.append(type(happening).__name__))
    await scheduler.direct(ring("a", words=WORDS))
    await until(lambda: ear.heard == ["speech", "ring"])
    assert happenings.index("PlaybackStarted") < happenings.index("PlaybackFinished")
    assert "TurnAbandoned" not in happenings
    await device.dismiss()
    await scheduler.told("a")


async def test_a_dismissal_ends_the_words_too(scheduler, switch_on):
    """Pressed while it speaks: nothing more is heard of it."""
    ear = Ear()
    device = await switch_on(ear, playback_speed=1.0)
    await scheduler.direct(ring("a", words=WORDS * 5))
    await until(lambda: ear.heard == ["speech"])
    assert await device.dismiss() == ("a",)
    silent = ear.sample_count
    await scheduler.told("a")
    assert ear.sample_count == silent
    assert ear.heard == ["speech"]


async def test_a_dead_tts_does_not_keep_it_from_ringing(stack, scheduler, switch_on):
    """Nobody speaks the words: it rings without them, in time."""
    ear = Ear()
    device = await switch_on(ear, announcement_timeout_s=1.0)
    frozen = stack.processes["tts-0"].pid
    os.kill(frozen, signal.SIGSTOP)
    try:
        await scheduler.direct(ring("a", words=WORDS))
        await until(lambda: ear.heard == ["ring"])
    finally:
        os.kill(frozen, signal.SIGCONT)
    await device.dismiss()
    await scheduler.told("a")


async def test_stop_is_heard_before_the_cloud_knows_what_rings(stack, address, scheduler, switch_on):
    """Typed "stop" right behind the ring, with a shadow that may not know of it: the ring ends and is told."""
    ear = Ear()
    device = await switch_on(ear)
    await scheduler.direct(ring("a"))
    await until(lambda: ear.heard == ["ring"])
    typed = await converse(stack, "stop", "en-US", address)
    assert typed.outcomes[-1].error.code == "stopped_by_user"
    await until(lambda: not device.ringing)
    await scheduler.told("a")


@asynccontextmanager
async def recogniser(stack, address, words: dict[int, str]):
    """Be the recogniser: the nth utterance of the device is understood as the nth words."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
    heard = []

    async def transcribe(message) -> None:
        started = upstream_pb2.UtteranceStarted.FromString(message.data)
        if started.turn_id in heard:
            return
        heard.append(started.turn_id)
        turn = turn_pb2.TurnContext(
            turn_id=started.turn_id,
            household_id=address.household,
            device_id=address.device,
            locale="en-US",
            modality=turn_pb2.MODALITY_VOICE,
            lane="stable",
            playback_format=started.playback_format,
        )
        said = events_pb2.TurnTranscribed(turn=turn)
        said.alternatives.add(transcript=words[len(heard)], confidence=1.0)
        await client.jetstream().publish("turn.transcribed", said.SerializeToString())

    await client.subscribe(f"device.{address.household}.{address.device}.up.started.>", cb=transcribe)
    await client.flush()
    try:
        yield
    finally:
        await client.close()


async def test_a_turn_is_answered_while_it_rings_and_stop_ends_it(stack, address, scheduler, switch_on):
    """A user's turn makes ringing wait and is answered; ringing goes on; a spoken "stop" ends it and is told."""
    ear = Ear()
    device = await switch_on(ear)
    async with recogniser(stack, address, {1: "help", 2: "stop"}):
        await scheduler.direct(ring("a"))
        await until(lambda: ear.heard == ["ring"])
        answered = await device.say(SPEECH)
        assert answered.answer_text
        await until(lambda: ear.heard == ["ring", "speech", "ring"])
        assert names(device) == ["a"]
        stopped = await device.say(SPEECH)
    assert stopped.kind == "cancelled"
    assert names(device) == []
    await scheduler.told("a")
