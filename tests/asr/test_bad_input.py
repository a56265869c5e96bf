"""Bad input: each is answered with a code, its turn goes on, and nobody else is disturbed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import audio_pb2
from earshot.device.v1 import downstream_pb2, upstream_pb2
from support.hearing import TestDevice, Worker, device, frames_of, worker
from support.nats import NatsServer, nats_server
from support.recognition import digest, silence, speech

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPUS = audio_pb2.AUDIO_ENCODING_OPUS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """A server with Earshot's streams."""
    async with nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(server: NatsServer) -> AsyncIterator[Worker]:
    """A recogniser that is quick to miss frames."""
    async with worker(server, lost_s=0.6, repair_after_s=0.2, give_up_s=0.6) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def heard(server: NatsServer, running: Worker) -> AsyncIterator[TestDevice]:
    """A device that the recogniser listens to."""
    assert running.bus.client.is_connected
    async with device(server) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def neighbour(server: NatsServer, running: Worker) -> AsyncIterator[None]:
    """Another device, which speaks all the while and has to be heard bit by bit."""
    assert running.bus.client.is_connected
    said = frames_of(speech(15, seed=99))
    enough = asyncio.Event()
    async with device(server, "h2", "d2") as other:
        turn = await other.begin()

        async def talk() -> int:
            for sequence, payload in enumerate(said):
                last = enough.is_set() and sequence >= 5
                await other.send(turn, sequence, payload, last=last)
                if last:
                    return sequence + 1
                await asyncio.sleep(0.04)
            raise TimeoutError("nobody needs a neighbour for so long")

        talking = asyncio.create_task(talk())
        yield
        enough.set()
        spoken = b"".join(said[: await talking])
        assert (await other.result(turn)).alternatives[0].transcript == digest(spoken)
        assert not other.errors


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize(
    ("announced", "code"),
    [
        ({"rate": 96_000}, "unsupported_sample_rate"),
        ({"rate": 0}, "unsupported_sample_rate"),
        ({"rate": 44_100, "encoding": OPUS}, "unsupported_sample_rate"),
        ({"encoding": 0}, "unsupported_encoding"),
        ({"encoding": 17}, "unsupported_encoding"),
        ({"channels": 6}, "unsupported_channel_count"),
        ({"version": 0}, "unsupported_contract_version"),
        ({"version": 2}, "unsupported_contract_version"),
        ({"locale": "tlh-QO"}, "unsupported_locale"),
    ],
)
async def test_what_is_announced_wrongly_is_refused(heard: TestDevice, announced: dict[str, int], code: str) -> None:
    """A start event that can't be served is answered with its code, to the device and to the turn."""
    turn = await heard.begin(**announced)
    event = await heard.result(turn)
    (told,) = heard.of(turn, "error")
    assert (event.rejection, event.error_code) == (events_pb2.REJECTION_BAD_AUDIO, code)
    assert (told.error.code, told.error.stage, told.error.retryable) == (code, "asr", False)
    assert not event.alternatives
    assert event.turn.household_id == "h1"
    assert event.turn.deadline_time.ToMilliseconds() > event.turn.end_of_speech_time.ToMilliseconds()


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize(
    ("payload", "encoding", "code"),
    [
        (b"\1" * 1_281, audio_pb2.AUDIO_ENCODING_LINEAR16, "odd_byte_count"),
        (b"garbage" * 30, OPUS, "malformed_opus"),
    ],
)
async def test_frames_that_are_not_audio_end_the_utterance(
    heard: TestDevice, running: Worker, payload: bytes, encoding: int, code: str
) -> None:
    """A frame that is not what was announced ends its utterance with a code, and frees what it held."""
    turn = await heard.begin(encoding=encoding)
    await heard.send(turn, 0, payload)
    event = await heard.result(turn)
    assert (event.rejection, event.error_code) == (events_pb2.REJECTION_BAD_AUDIO, code)
    assert heard.of(turn, "error")[0].error.code == code
    assert running.engine.streams[-1].closed


@pytest.mark.usefixtures("neighbour")
async def test_a_start_that_cannot_be_parsed_is_parked_and_told(heard: TestDevice) -> None:
    """Bytes that are no start event are kept for people, and the device hears so on its error subject."""
    before = len(heard.errors)
    await heard.begin(raw=b"\xff\xfe\xfd not protobuf")
    await heard.wait(lambda: len(heard.errors) > before)
    assert heard.errors[-1].error.code == "malformed_payload"
    parked = await heard.client.jetstream().get_last_msg("PARKED", "parked.asr.h1")
    assert parked.data == b"\xff\xfe\xfd not protobuf"


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize("turn", ["", "a.b", "*", ">", "x" * 65, "ü"])
async def test_a_turn_id_that_could_widen_a_subject_is_refused(heard: TestDevice, turn: str) -> None:
    """An id that is not one token is told to the device, and no event is published for it."""
    before = len(heard.errors)
    await heard.begin(turn_id=turn)
    await heard.wait(lambda: len(heard.errors) > before)
    assert heard.errors[-1].error.code == "invalid_turn_id"
    assert turn not in heard.transcribed


@pytest.mark.usefixtures("neighbour")
async def test_silence_only(heard: TestDevice) -> None:
    """Nobody speaks: the turn is rejected as NO_SPEECH, without an error."""
    turn = await heard.begin()
    await heard.say(turn, silence(8), last=False)
    event = await heard.result(turn)
    assert (event.rejection, event.error_code) == (events_pb2.REJECTION_NO_SPEECH, "")
    assert event.endpoint_reason == downstream_pb2.ENDPOINT_REASON_NO_SPEECH
    assert not heard.of(turn, "error")
    assert not heard.of(turn, "final_transcript")


@pytest.mark.usefixtures("neighbour")
async def test_ten_minutes_of_talking(heard: TestDevice, running: Worker) -> None:
    """Somebody who never stops is recognised up to the maximum length; the rest is not even taken."""
    turn = await heard.begin()
    minute = speech(60)
    payloads = frames_of(minute)
    for sequence in range(10 * len(payloads)):
        await heard.send(turn, sequence, payloads[sequence % len(payloads)])
        if sequence % 500 == 0:
            await heard.client.flush()
    event = await heard.result(turn, 15)
    assert event.endpoint_reason == downstream_pb2.ENDPOINT_REASON_MAXIMUM_LENGTH
    heard_seconds = event.audio_duration.ToMilliseconds() / 1000
    assert heard_seconds == pytest.approx(20, abs=0.1)
    assert bytes(running.engine.streams[-1].pcm) == minute.tobytes()[: round(heard_seconds * 32_000)]


@pytest.mark.usefixtures("neighbour")
async def test_an_utterance_without_a_frame(heard: TestDevice) -> None:
    """A start after which nothing comes is given up with a code."""
    turn = await heard.begin()
    event = await heard.result(turn)
    assert (event.rejection, event.error_code) == (events_pb2.REJECTION_BAD_AUDIO, "audio_lost")
    assert event.endpoint_reason == downstream_pb2.ENDPOINT_REASON_AUDIO_LOST


@pytest.mark.usefixtures("neighbour")
async def test_frames_of_somebody_else_and_garbage_between_frames(heard: TestDevice) -> None:
    """What is no frame of the utterance is dropped; the utterance is heard as it was said."""
    said = speech(0.8)
    payloads = frames_of(said)
    turn = await heard.begin()
    foreign = upstream_pb2.AudioFrame(turn_id="another", sequence=3, payload=b"\0" * 1_280).SerializeToString()
    for sequence, payload in enumerate(payloads):
        await heard.client.publish(heard.address.audio(turn), b"\xff\xff\xff garbage")
        await heard.client.publish(heard.address.audio(turn), foreign)
        await heard.send(turn, sequence, payload, last=sequence == len(payloads) - 1)
    assert (await heard.result(turn)).alternatives[0].transcript == digest(said.tobytes())


@pytest.mark.usefixtures("neighbour")
async def test_times_that_no_calendar_has(heard: TestDevice) -> None:
    """A device whose clock says nonsense is heard; its turn began when the cloud heard of it."""
    started = upstream_pb2.UtteranceStarted(
        turn_id="turn-clock",
        contract_version=1,
        format=audio_pb2.AudioFormat(encoding=1, sample_rate_hertz=16_000, channel_count=1),
    )
    started.start_time.seconds = 2**62
    started.device_clock_offset.seconds = -(2**61)
    started.wake_word.end_offset.seconds = 2**60
    turn = await heard.begin(turn_id="turn-clock", raw=started.SerializeToString())
    await heard.say(turn, speech(6))
    event = await heard.result(turn)
    assert event.turn.start_time.seconds > 1_700_000_000
    assert event.alternatives


@pytest.mark.usefixtures("neighbour")
async def test_empty_frames_hold_no_place_for_ever(heard: TestDevice) -> None:
    """Frames without samples are no audio: such an utterance is given up like one without frames."""
    turn = await heard.begin()
    for sequence in range(50):
        await heard.send(turn, sequence, b"")
    event = await heard.result(turn)
    assert event.error_code == "audio_lost"


async def test_no_place_is_left_taken(running: Worker, heard: TestDevice) -> None:
    """After all of this no stream is open, no detector in use, and a good utterance is heard."""
    turn = await heard.begin()
    await heard.say(turn, speech(0.5))
    assert (await heard.result(turn)).alternatives
    async with asyncio.timeout(5):
        while running.vads.in_use or not all(stream.closed for stream in running.engine.streams):
            await asyncio.sleep(0.01)
