"""Outcomes to frames over a real bus: what takes time."""

from __future__ import annotations

import asyncio
import threading
import time

from earshot.dialogue.v1 import outcome_pb2
from earshot_topology.subjects import TURN_SPEECH_CANCELLED
from earshot_tts.engines.espeak import EspeakEngine
from support.speaking import listener, settled, speech_worker

LONG = " ".join(f"This is sentence number {n}, and it goes on for a while." for n in range(1, 9))


class GatedEngine(EspeakEngine):
    """Speaks, but the sentence with the gate's word only once the gate is open."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word
        self.gate = threading.Event()
        self.begun: list[str] = []

    def synthesise(self, text, voice, sink) -> None:
        """Wait at the gate."""
        self.begun.append(text)
        if self.word in text:
            self.gate.wait(10)
        super().synthesise(text, voice, sink)


async def test_first_frame_leaves_before_the_last_sentence_is_synthesised(server) -> None:
    """While the last sentence has not been made, the first one is heard already."""
    engine = GatedEngine("last")
    async with speech_worker(server, engine), listener(server) as device:
        turn = await device.decide("The first sentence is here. The last sentence is late.")
        await device.wait(lambda: len(device.frames) > 10)
        assert not any(frame.last for frame in device.frames)
        engine.gate.set()
        frames = await device.whole(turn)
        assert len(frames) > 60


async def test_frames_are_sent_ahead_and_then_paced(server) -> None:
    """At least two seconds come at once; the rest comes as it is played."""
    async with speech_worker(server), listener(server) as device:
        turn = await device.decide(LONG)
        await device.wait(lambda: len(device.of(turn)) > 90)
        begin = device.times[0]
        soon = [frame for frame, at in zip(device.frames, device.times, strict=True) if at < begin + 0.9]
        assert 50 <= len(soon) <= 85


async def test_cancellation_silences_within_100_ms(server) -> None:
    """A cancelled outcome stops at once, is acknowledged, and its next segment is not spoken either."""
    async with speech_worker(server), listener(server) as device:
        turn = await device.decide(LONG, final=False)
        await device.wait(lambda: len(device.frames) > 40)
        cancelled = outcome_pb2.SpeechCancelled(household_id="h1", device_id="d1", outcome_id="o1")
        await device.client.publish(TURN_SPEECH_CANCELLED, cancelled.SerializeToString())
        await device.client.flush()
        asked = asyncio.get_running_loop().time()
        await device.decide("More.", turn_id=turn, segment=1)
        await settled(server, 1.0)
        assert asyncio.get_running_loop().time() - asked < 0.5
        await asyncio.sleep(0.6)
        assert max(device.times) - asked < 0.1


async def test_cancellation_without_an_outcome_silences_the_device_alone(server) -> None:
    """Whatever is spoken on the device stops; the neighbour's answer goes on."""
    async with speech_worker(server), listener(server) as device, listener(server, serial="d2") as neighbour:
        await device.decide(LONG)
        other = await neighbour.decide("This answer is heard to its end, which is a little later.", outcome_id="o2")
        await device.wait(lambda: len(device.frames) > 40)
        cancelled = outcome_pb2.SpeechCancelled(household_id="h1", device_id="d1")
        await device.client.publish(TURN_SPEECH_CANCELLED, cancelled.SerializeToString())
        await neighbour.whole(other)
        heard = len(device.frames)
        await asyncio.sleep(0.6)
        assert len(device.frames) == heard


async def test_huge_text_is_cut_and_told(server) -> None:
    """A text of 100 kB is spoken from its beginning, and a coded error tells that it is cut; others are not delayed."""
    async with speech_worker(server), listener(server) as device, listener(server, serial="d2") as neighbour:
        await device.decide("word " * 20_000)
        began = time.monotonic()
        await neighbour.whole(await neighbour.decide("Quick.", outcome_id="o2"))
        assert time.monotonic() - began < 5.0
        await device.wait(lambda: len(device.frames) > 40 and device.errors)
        assert device.errors[0].error.code == "text_too_long"


async def test_many_long_answers_play_soon(server) -> None:
    """Forty paced answers take no more workers than one: all of them begin at once."""
    async with speech_worker(server, playbacks=64) as worker, listener(server) as device:
        turns = [await device.decide(LONG, outcome_id=f"o{n}") for n in range(40)]
        await device.wait(lambda: {frame.turn_id for frame in device.frames} == set(turns), 3.0)
        assert worker.bus.client.is_connected
