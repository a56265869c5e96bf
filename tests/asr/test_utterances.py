"""Utterances over a real bus: live, lost and reordered frames, takeover by another worker, what is stored and purged."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest
import pytest_asyncio
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import audio_pb2, turn_pb2
from earshot.device.v1 import downstream_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_asr.engines.errors import WorkerDiedError
from earshot_audio import Encoding, Format, FrameEncoder
from support.hearing import TestDevice, Worker, device, frames_of, worker
from support.nats import NatsServer, nats_server
from support.recognition import digest, silence, speech
from support.spans import recorded_spans

# One server, one worker and one device for all tests but those that kill a worker; each utterance has a turn of its own.
pytestmark = pytest.mark.asyncio(loop_scope="module")
SETTINGS = {
    "acknowledge_s": 0.2,
    "repair_after_s": 0.2,
    "give_up_s": 0.6,
    "lost_s": 0.8,
    "attempts": 2,
    "deadline_s": 1.0,
}

spans = pytest.fixture(recorded_spans)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """A server with Earshot's streams."""
    async with nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(server: NatsServer) -> AsyncIterator[Worker]:
    """A recogniser."""
    async with worker(server, **SETTINGS) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def heard(server: NatsServer, running: Worker) -> AsyncIterator[TestDevice]:
    """A device that the recogniser listens to."""
    assert running.bus.client.is_connected
    async with device(server) as made:
        yield made


async def test_an_utterance_from_its_start_to_its_transcript(heard: TestDevice, running: Worker) -> None:
    """Silence ends it; the device hears each step with the owner's epoch, and the turn goes on with its context."""
    said = np.concatenate([silence(0.2), speech(1.2), silence(1.4)])
    turn = await heard.begin()
    await heard.say(turn, said, last=False)
    event = await heard.result(turn)
    await heard.wait(lambda: heard.of(turn, "final_transcript"))
    assert running.vads.in_use == 0
    stream = running.engine.streams[-1]
    updates = [update for update in heard.updates if update.turn_id == turn]
    kinds = [kind for update in updates if (kind := update.WhichOneof("update")) != "upload_ack"]
    assert kinds[0] == "speech_started"
    assert kinds[-2:] == ["endpoint_detected", "final_transcript"]
    assert kinds.count("interim_transcript") >= 1
    assert {update.owner_epoch for update in updates} == {1}
    (over,) = heard.of(turn, "endpoint_detected")
    assert over.endpoint_detected.reason == downstream_pb2.ENDPOINT_REASON_SILENCE
    assert over.endpoint_detected.end_of_speech_offset.ToMilliseconds() == pytest.approx(1_400, abs=64)
    assert stream.hints == ["paused"]
    assert stream.closed
    assert said.tobytes().startswith(bytes(stream.pcm))
    assert event.alternatives[0].transcript == digest(bytes(stream.pcm))
    assert event.rejection == events_pb2.REJECTION_UNSPECIFIED
    assert event.engine == "digest/1"
    assert event.endpoint_reason == downstream_pb2.ENDPOINT_REASON_SILENCE
    context = event.turn
    assert (context.household_id, context.device_id, context.locale, context.lane) == ("h1", "d1", "en-US", "stable")
    assert context.modality == turn_pb2.MODALITY_VOICE
    assert context.time_zone == "Asia/Tokyo"
    assert context.playback_format.sample_rate_hertz == 24_000
    assert context.deadline_time.ToDatetime() > context.end_of_speech_time.ToDatetime()
    waits = context.deadline_time.ToMilliseconds() - context.end_of_speech_time.ToMilliseconds()
    assert waits == pytest.approx(1_000, abs=1)


async def test_interim_results_come_while_somebody_speaks(heard: TestDevice) -> None:
    """At the pace of speech an interim transcript comes at least every 300 ms, and uploads are acknowledged."""
    turn = await heard.begin()
    # Seconds of audio that had been said when each interim transcript was heard, from speech's start to its end.
    said, heard_at = 0.0, [0.0]
    for sequence, payload in enumerate(frames_of(speech(1.8))):
        await heard.send(turn, sequence, payload)
        said += 0.04
        await asyncio.sleep(0.038)
        heard_at += [said] * (len(heard.of(turn, "interim_transcript")) - (len(heard_at) - 1))
    acknowledged = [update.upload_ack.next_sequence for update in heard.of(turn, "upload_ack")]
    await heard.send(turn, 45, b"", last=True)
    event = await heard.result(turn)
    assert max(later - earlier for earlier, later in pairwise([*heard_at, said])) <= 0.3 + 1e-6
    assert acknowledged == sorted(acknowledged)
    assert len(acknowledged) >= 2
    assert event.endpoint_reason == downstream_pb2.ENDPOINT_REASON_DEVICE
    assert event.audio_duration.ToMilliseconds() == 1_800


async def test_reordered_repeated_and_late_frames_are_heard_bit_exact(heard: TestDevice) -> None:
    """Frames in any order, twice, and some before the start event: the engine hears what was said."""
    said = speech(2.0)
    payloads = frames_of(said)
    order = [*range(len(payloads)), *range(len(payloads))]
    random.Random(7).shuffle(order)
    turn = "turn-shuffled"
    for sequence in order[:20]:
        await heard.send(turn, sequence, payloads[sequence], last=sequence == len(payloads) - 1)
    await heard.begin(turn_id=turn)
    for sequence in order[20:]:
        await heard.send(turn, sequence, payloads[sequence], last=sequence == len(payloads) - 1)
    event = await heard.result(turn)
    assert event.alternatives[0].transcript == digest(said.tobytes())


async def test_a_frame_that_was_lost_live_is_repaired_from_the_capture(heard: TestDevice, running: Worker) -> None:
    """A frame that the worker never saw, but the capture did, is read from there."""
    said = speech(1.0)
    payloads = frames_of(said)
    turn = await heard.begin()
    await heard.say(turn, said[:6400], last=False)
    await heard.wait(lambda: heard.of(turn, "speech_started"))
    # Stored by the stream but not delivered live: as when the worker's connection dropped for a moment.
    (live,) = [s for s in running.bus.client._subs.values() if s.subject == heard.address.audio(turn)]
    await running.bus.client._send_unsubscribe(live._id)
    await running.bus.client.flush()
    await heard.send(turn, 10, payloads[10])
    await heard.client.flush()
    await running.bus.client._send_subscribe(live)
    await running.bus.client.flush()
    for sequence in range(11, len(payloads)):
        await heard.send(turn, sequence, payloads[sequence], last=sequence == len(payloads) - 1)
    event = await heard.result(turn)
    assert event.alternatives[0].transcript == digest(said.tobytes())


async def test_a_frame_that_nobody_has_becomes_silence(heard: TestDevice) -> None:
    """After a while a frame that can't be found is given up, and the rest is recognised."""
    said = speech(1.0)
    payloads = frames_of(said)
    turn = await heard.begin()
    for sequence in (n for n in range(len(payloads)) if n != 7):
        await heard.send(turn, sequence, payloads[sequence], last=sequence == len(payloads) - 1)
    event = await heard.result(turn)
    said[7 * 640 : 8 * 640] = 0
    assert event.alternatives[0].transcript == digest(said.tobytes())


async def test_audio_that_stops_is_refused(heard: TestDevice) -> None:
    """A device that disappears in the middle of a word has nothing done that it may not have meant."""
    said = speech(1.0)
    turn = await heard.begin()
    await heard.say(turn, said, last=False)
    event = await heard.result(turn)
    assert event.endpoint_reason == downstream_pb2.ENDPOINT_REASON_AUDIO_LOST
    assert (event.error_code, len(event.alternatives)) == ("audio_lost", 0)


async def test_an_engine_that_dies_costs_a_delivery_not_the_turn(heard: TestDevice, running: Worker) -> None:
    """A retryable error of the engine leads to a second delivery, which hears the same."""
    said = speech(1.0)
    running.engine.fail_finish.append(WorkerDiedError("gone"))
    turn = await heard.begin()
    await heard.say(turn, said)
    event = await heard.result(turn)
    assert event.owner_epoch == 2
    assert event.alternatives[0].transcript == digest(said.tobytes())


async def test_an_engine_that_keeps_dying_becomes_the_answer(heard: TestDevice, running: Worker) -> None:
    """After the last attempt the turn goes on with the error's code."""
    running.engine.fail_finish += [WorkerDiedError("gone"), WorkerDiedError("gone again")]
    turn = await heard.begin()
    await heard.say(turn, speech(0.5))
    event = await heard.result(turn)
    (told,) = heard.of(turn, "error")
    assert event.rejection == events_pb2.REJECTION_BAD_AUDIO
    assert event.error_code == told.error.code == "recognizer_worker_died"


async def test_utterances_at_once_do_not_mix(heard: TestDevice) -> None:
    """Twelve devices that speak at once are each heard for themselves."""
    said = {f"turn-{number}": speech(0.8, seed=number) for number in range(12)}
    for turn in said:
        await heard.begin(turn_id=turn)
    for sequence in range(20):
        for turn, samples in said.items():
            await heard.send(turn, sequence, frames_of(samples)[sequence], last=sequence == 19)
    for turn, samples in said.items():
        event = await heard.result(turn)
        assert event.alternatives[0].transcript == digest(samples.tobytes())


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
async def test_opus_is_heard(heard: TestDevice, running: Worker, rate: int) -> None:
    """An Opus utterance at the device's rate reaches the engine at 16 kHz, as long as it was."""
    audio_format = Format(encoding=Encoding.OPUS, sample_rate_hertz=rate)
    encoder = FrameEncoder(audio_format, 40)
    packets = [*encoder.encode(speech(1.0, rate)), *encoder.flush()]
    turn = await heard.begin(encoding=audio_pb2.AUDIO_ENCODING_OPUS, rate=rate)
    for sequence, packet in enumerate(packets):
        await heard.send(turn, sequence, packet, last=sequence == len(packets) - 1)
    event = await heard.result(turn)
    pcm = np.frombuffer(bytes(running.engine.streams[-1].pcm), "<i2")
    assert event.audio_duration.ToMilliseconds() == pytest.approx(1_000, abs=50)
    assert np.sqrt(np.mean(pcm[:15_000].astype(float) ** 2)) > 1_000


async def test_the_wake_word_is_not_recognised(heard: TestDevice, running: Worker) -> None:
    """What lies before the wake word's end is not fed, and offsets still count from the first sample."""
    said = speech(1.5)
    started = upstream_pb2.UtteranceStarted(
        turn_id="turn-wake",
        contract_version=1,
        format=audio_pb2.AudioFormat(encoding=1, sample_rate_hertz=16_000, channel_count=1),
    )
    started.wake_word.end_offset.FromMilliseconds(500)
    turn = await heard.begin(turn_id="turn-wake", raw=started.SerializeToString())
    await heard.say(turn, said)
    event = await heard.result(turn)
    assert bytes(running.engine.streams[-1].pcm) == said[8_000:].tobytes()
    assert event.alternatives[0].words[0].start_offset.ToMilliseconds() == 500
    assert heard.of(turn, "speech_started")[0].speech_started.start_offset.ToMilliseconds() == 500


async def last_armed(heard: TestDevice, turn: str) -> RawStreamMsg | None:
    """Return the deadline that is armed for a turn."""
    try:
        return await heard.client.jetstream().get_last_msg("DEADLINES", heard.address.deadline_arm(turn))
    except NotFoundError:
        return None


async def test_the_deadline_moves_to_the_end_of_speech(heard: TestDevice) -> None:
    """The deadline that is armed at the end of speech replaces the earlier one and is delivered when it is due."""
    due: list[outcome_pb2.TurnDeadline] = []
    turn = await heard.begin()
    await heard.say(turn, speech(0.4))
    event = await heard.result(turn)
    jetstream = heard.client.jetstream()
    async with asyncio.timeout(5):
        # Armed beside the transcript, not before it.
        while not (armed := await last_armed(heard, turn)):
            await asyncio.sleep(0.01)
    subscription = await jetstream.pull_subscribe_bind("dialogue_deadline", "DEADLINES")
    async with asyncio.timeout(5):
        while not any(message.turn.turn_id == turn for message in due):
            due += [outcome_pb2.TurnDeadline.FromString(m.data) for m in await subscription.fetch(1, timeout=5)]
    mine = next(message for message in due if message.turn.turn_id == turn)
    assert armed.headers is not None
    assert armed.headers["Nats-Schedule-Target"] == "turn.deadline.due"
    assert mine.turn.deadline_time == event.turn.deadline_time
    assert mine.waiting_for == "answer"


async def test_households_that_choose_the_same_turn_id_are_each_heard(server: NatsServer, heard: TestDevice) -> None:
    """Both transcripts are stored, and each turn has a deadline of its own."""
    jetstream = heard.client.jetstream()
    stored = (await jetstream.stream_info("TURNS")).state.last_seq
    armed: dict[str, tuple[str, str]] = {}

    async def note(message: Msg) -> None:
        turn = outcome_pb2.TurnDeadline.FromString(message.data).turn
        armed[message.subject] = (turn.household_id, turn.device_id)

    noting = await heard.client.subscribe("turn.deadline.arm.>", cb=note)
    await heard.client.flush()
    said = {"h1": speech(0.4, seed=1), "h2": speech(0.4, seed=2)}
    async with device(server, "h2", "d1") as elsewhere:
        for each in (heard, elsewhere):
            await each.begin(turn_id="turn-same")
            await each.say("turn-same", said[each.address.household])
        await heard.wait(lambda: len(heard.transcribed.get("turn-same", ())) == 2)
        async with asyncio.timeout(5):
            while (await jetstream.stream_info("TURNS")).state.last_seq < stored + 2:
                await asyncio.sleep(0.02)
        messages = [await jetstream.get_msg("TURNS", stored + number) for number in (1, 2)]
        events = [events_pb2.TurnTranscribed.FromString(message.data or b"") for message in messages]
        found = {event.turn.household_id: event.alternatives[0].transcript for event in events}
        assert found == {household: digest(samples.tobytes()) for household, samples in said.items()}
        async with asyncio.timeout(5):
            while len(armed) < 2:
                await asyncio.sleep(0.02)
        assert armed == {each.address.deadline_arm("turn-same"): each.address for each in (heard, elsewhere)}
    await noting.unsubscribe()


async def test_a_device_can_ask_where_its_upload_stands(heard: TestDevice) -> None:
    """up.resume answers with the first frame that the capture misses."""
    for sequence in (0, 1, 2, 4, 5):
        await heard.send("turn-broken", sequence, b"\0\0")
    await heard.client.flush()
    for turn, expected in (("turn-broken", 3), ("turn-unknown", 0)):
        request = upstream_pb2.UploadStatusRequest(turn_id=turn).SerializeToString()
        reply = await heard.client.request("device.h1.d1.up.resume", request, timeout=2)
        assert upstream_pb2.UploadStatusResponse.FromString(reply.data).next_sequence == expected
    bad = upstream_pb2.UploadStatusRequest(turn_id="a.>").SerializeToString()
    reply = await heard.client.request("device.h1.d1.up.resume", bad, timeout=2)
    assert reply.headers is not None
    assert reply.headers["error-code"] == "invalid_turn_id"


async def test_a_turn_is_few_spans_here_and_none_a_frame(heard: TestDevice, spans: InMemorySpanExporter) -> None:
    """Recognition is one span; listening to the talker and decoding are others within it, however many frames there are."""
    turn = await heard.begin()
    await heard.say(turn, speech(2.0))
    await heard.result(turn)
    async with asyncio.timeout(5):
        while len(finished := {span.name: span for span in spans.get_finished_spans()}) < 4:
            await asyncio.sleep(0.01)
    assert set(finished) == {"utterance.started process", "asr.recognize", "asr.listen", "asr.decode"}
    listen = finished["asr.listen"]
    assert listen.parent is not None
    assert listen.parent.span_id == finished["asr.recognize"].context.span_id
    assert listen.end_time <= finished["asr.decode"].start_time
    assert listen.attributes is not None
    assert 0 <= listen.attributes["voice.asr.busy_s"] <= (listen.end_time - listen.start_time) / 1e9
    decode, recognize = finished["asr.decode"], finished["asr.recognize"]
    assert decode.parent is not None
    assert recognize.parent is not None
    assert decode.parent.span_id == recognize.context.span_id
    assert recognize.parent.span_id == finished["utterance.started process"].context.span_id
    assert recognize.attributes is not None
    assert recognize.attributes["voice.turn.id"] == turn
    assert recognize.attributes["voice.asr.endpoint_reason"] == "device"
