from __future__ import annotations

import asyncio
import sys
import types

import numpy as np
import pytest

from earshot.device.v1 import upstream_pb2
from earshot.tts.v1 import synthesizer_pb2, synthesizer_pb2_grpc
from earshot_chassis.rpc_server import GrpcServer
from earshot_device import AbandonReason, LoudspeakerSink, Microphone, Trigger
from earshot_device.errors import AudioInputError, AudioOutputError
from earshot_device.synthesis import synthesise
from support.fake_cloud import sequences_in

SPEECH = (np.sin(np.arange(16_000) / 5) * 8000).astype(np.int16)


class PortAudio(types.ModuleType):
    """A sound card that is not there: what the library asks of sounddevice, and nothing else."""

    class PortAudioError(Exception):
        """What sounddevice raises."""

    def __init__(self, *, broken=False):
        super().__init__("sounddevice")
        self.broken = broken
        self.played = []
        self.aborted = 0
        self.opened = 0
        self.unplugged = False
        self.heard = None

    def RawInputStream(self, *, callback, **_options):
        """Open a microphone."""
        if self.broken:
            raise self.PortAudioError("no such device")
        self.heard = callback
        return types.SimpleNamespace(start=lambda: None, close=lambda: None)

    def RawOutputStream(self, **_options):
        """Open a loudspeaker."""
        if self.broken:
            raise self.PortAudioError("no such device")

        def abort():
            self.aborted += 1

        def write(data):
            if self.unplugged:
                raise self.PortAudioError("unplugged")
            self.played.append(data)

        self.opened += 1
        return types.SimpleNamespace(start=lambda: None, close=lambda: None, abort=abort, write=write)


@pytest.fixture
def portaudio(monkeypatch) -> PortAudio:
    """Stand in for sounddevice."""
    fake = PortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


async def test_a_turn_is_spoken_into_a_microphone(cloud, open_device, portaudio):
    """What was heard before the turn leads it; the endpoint ends it, and the next turn leads with what came between."""
    microphone = Microphone(16_000, pre_roll_s=0.5)
    microphone.open()
    for level in (1, 2, 3):
        for _ in range(20):
            portaudio.heard(np.full(320, level * 100, np.int16).tobytes(), 320, None, None)
    await asyncio.sleep(0)
    device = await open_device(capture_speed=1.0)
    saying = asyncio.create_task(device.listen(microphone, trigger=Trigger.WAKE_WORD))
    turn = await cloud.turn_started()
    for _ in range(50):
        portaudio.heard(np.full(320, 1000, np.int16).tobytes(), 320, None, None)
    await cloud.audio(turn, 30)
    await cloud.endpoint(turn, seconds=0.9)
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 2))
    result = await saying
    heard = np.concatenate([np.frombuffer(cloud.frames[turn][n].payload, "<i2") for n in sorted(cloud.frames[turn])])
    microphone.close()

    start = cloud.starts[0][0]
    assert start.trigger == upstream_pb2.TRIGGER_WAKE_WORD
    assert start.pre_roll.ToMilliseconds() == 500
    assert set(heard[:8000]) == {200, 300}
    assert set(heard[8000:]) == {1000}
    assert result.first_audio_s is not None


async def test_a_microphone_that_is_closed_ends_the_utterance(cloud, open_device, portaudio):
    """When the microphone goes away the device marks the last frame; what was heard may still be answered."""
    microphone = Microphone(16_000)
    microphone.open()
    device = await open_device()
    saying = asyncio.create_task(device.listen(microphone))
    turn = await cloud.turn_started()
    portaudio.heard(np.full(3200, 500, np.int16).tobytes(), 3200, None, None)
    await cloud.audio(turn, 5)
    microphone.close()
    await cloud.until(lambda: any(frame.last for frame in cloud.frames[turn].values()))
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 2))
    assert sequences_in((await saying).answer) == [0, 1]


async def test_an_answer_is_heard_from_a_loudspeaker(cloud, open_device, portaudio):
    """Every sample goes to PortAudio; an interruption drops what it still holds."""
    device = await open_device(sink=LoudspeakerSink())
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 4)[:3])
    await cloud.event("playback_started")
    await asyncio.sleep(0.05)
    device.cancel()
    result = await saying
    assert b"".join(portaudio.played)[: result.answer.nbytes] == result.answer.tobytes()
    assert portaudio.aborted == 1


async def test_no_such_sound_device_is_one_sentence(portaudio):
    """PortAudio's own words are kept, in an error with a code."""
    portaudio.broken = True
    with pytest.raises(AudioInputError, match="no such device"):
        Microphone().open()
    with pytest.raises(AudioOutputError, match="no such device"):
        await LoudspeakerSink().open(16_000)


async def test_a_loudspeaker_that_failed_is_opened_again(portaudio):
    """What failed is one error with a code; it is opened anew for the next sound, until it is closed."""
    sink = LoudspeakerSink()
    await sink.open(16_000)
    portaudio.unplugged = True
    with pytest.raises(AudioOutputError, match="unplugged"):
        await sink.write(SPEECH)
    await sink.discard()
    portaudio.broken = True
    with pytest.raises(AudioOutputError, match="no such device"):
        await sink.write(SPEECH)
    portaudio.unplugged = portaudio.broken = False
    await sink.write(SPEECH)
    await sink.write(SPEECH)
    await sink.close()
    await sink.write(SPEECH)
    assert portaudio.played == [SPEECH.tobytes()] * 2
    assert portaudio.opened == 2


async def test_a_filler_bridges_the_wait(cloud, open_device):
    """A filler is heard while nothing is decided, falls silent when the answer begins, and is not part of it."""
    device = await open_device(playback_speed=4.0)
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.endpoint(turn)
    await cloud.speak(cloud.speech(turn, 500, outcome_id=""))
    await asyncio.sleep(0.1)
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 3))
    async with asyncio.timeout(3):
        result = await saying
    await cloud.settled(device)
    assert sequences_in(result.answer) == [0, 1, 2]
    assert len(cloud.of_kind("playback_started")) == 1
    assert not cloud.backfills


async def test_speaking_again_before_the_answer_ends_the_first_turn(cloud, open_device):
    """A turn that begins while another one waits replaces it; the first is told as cancelled by the user."""
    device = await open_device()
    first = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.endpoint(turn)
    second = asyncio.create_task(device.say(SPEECH))
    replaced = await first
    following = await cloud.turn_started(2)
    await cloud.outcome(following)
    await cloud.speak(cloud.speech(following, 1))
    await second
    abandoned = await cloud.event("turn_abandoned")
    assert replaced.abandoned is AbandonReason.USER_CANCELLED
    assert (abandoned.turn_id, abandoned.turn_abandoned.reason) == (turn, "user_cancelled")
    assert cloud.starts[1][0].interrupted_outcome_id == ""
    assert cloud.starts[1][0].trigger == upstream_pb2.TRIGGER_BARGE_IN


async def test_a_caller_that_gives_up_ends_the_turn(cloud, open_device):
    """Cancelling the call ends the turn as its user would, and the device is ready for another one."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    await cloud.turn_started()
    saying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saying
    await cloud.event("turn_abandoned")
    again = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started(2)
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 1))
    assert (await again).outcome_id == "o1"
    assert cloud.starts[1][0].trigger == upstream_pb2.TRIGGER_BUTTON


class Synthesizer(synthesizer_pb2_grpc.SynthesizerServicer):
    """Speaks a ramp; refuses empty text."""

    async def Synthesize(self, request, context):
        """Answer with two frames."""
        if not request.text:
            import grpc  # noqa: PLC0415

            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "empty text")
        for begin in (0, 100):
            samples = np.arange(begin, begin + 100, dtype="<i2")
            yield synthesizer_pb2.SynthesizeResponse(audio=samples.tobytes(), format=request.format)


async def test_a_phrase_is_synthesised_by_the_tts_service():
    """The frames of the service are one array; what it refuses, and a service that is not there, is one error."""
    server = GrpcServer()
    server.add(synthesizer_pb2_grpc.add_SynthesizerServicer_to_server, Synthesizer(), "earshot.tts.v1.Synthesizer")
    target = f"127.0.0.1:{await server.start('127.0.0.1', 0)}"
    assert np.array_equal(await synthesise(target, "hello", locale="en-US"), np.arange(200))
    with pytest.raises(AudioInputError, match="empty text"):
        await synthesise(target, "", locale="en-US")
    await server.stop(0)
    with pytest.raises(AudioInputError, match="unavailable"):
        await synthesise("127.0.0.1:1", "hello", locale="en-US")
