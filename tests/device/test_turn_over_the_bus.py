from __future__ import annotations

import asyncio

import numpy as np
import pytest

from earshot.device.v1 import directive_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_device import AbandonReason, OutcomeKind, SampleSource, Trigger, WakeWord
from earshot_device.errors import LinkLostError, NotConnectedError, UtteranceRefusedError
from support.fake_cloud import sequences_in

SPEECH = (np.sin(np.arange(16_000) / 5) * 8000).astype(np.int16)


async def test_a_turn_goes_from_samples_to_an_answer(cloud, open_device):
    """A turn brings interim and final transcript, the outcome, its speech in order, and the latency to it."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.audio(turn, 20)
    await cloud.interim(turn, "what time")
    await cloud.endpoint(turn, seconds=0.9)
    await cloud.final(turn, "what time is it")
    await cloud.outcome(turn, text="It is noon.")
    await cloud.speak(cloud.speech(turn, 10))
    result = await saying

    assert [interim.transcript for interim in result.interims] == ["what time"]
    assert result.transcript == "what time is it"
    assert result.end_of_speech_s == pytest.approx(0.9)
    assert result.kind is OutcomeKind.ANSWERED
    assert result.answer_text == "It is noon."
    assert sequences_in(result.answer) == list(range(10))
    assert result.session_id == "s1"
    assert result.first_audio_s is not None
    assert result.first_audio_s >= result.first_frame_s
    assert result.abandoned is None
    assert not result.errors


async def test_the_start_tells_the_cloud_what_comes(cloud, open_device):
    """The start names formats, boot, time zone, trigger and pre-roll, on the subject of locale and lane."""
    device = await open_device(locale="zh-CN", lane="canary", time_zone="Asia/Shanghai")
    word = WakeWord(model="hey_jarvis", confidence=0.9, start_offset_s=0.1, end_offset_s=0.7, energy_dbfs=-30)
    source = SampleSource(SPEECH, 16_000)
    saying = asyncio.create_task(device.listen(source, trigger=Trigger.WAKE_WORD, wake_word=word))
    turn = await cloud.turn_started()
    start, headers = cloud.starts[0]
    await cloud.outcome(turn, text="", kind=outcome_pb2.OUTCOME_KIND_REJECTED)
    result = await saying

    assert start.boot_id == device.boot_id
    assert start.contract_version == 1
    assert start.trigger == upstream_pb2.TRIGGER_WAKE_WORD
    assert start.wake_word.model == "hey_jarvis"
    assert start.wake_word.end_offset.ToMilliseconds() == 700
    assert start.format.sample_rate_hertz == 16_000
    assert start.playback_format.sample_rate_hertz == 24_000
    assert start.time_zone == "Asia/Shanghai"
    assert start.pre_roll.ToMilliseconds() == 200
    assert headers["Nats-Msg-Id"] == f"{cloud.address.household}.{cloud.address.device}.{turn}"
    assert headers["content-type"] == "application/protobuf;type=earshot.device.v1.UtteranceStarted"
    assert result.kind is OutcomeKind.REJECTED
    assert len(result.answer) == 0
    assert not cloud.of_kind("playback_started")


async def test_an_event_is_a_repetition_of_its_own_devices_alone(cloud, open_device):
    """The id by which the stream drops repetitions names household and device: events of others are never dropped."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    await cloud.outcome(await cloud.turn_started(), text="", kind=outcome_pb2.OUTCOME_KIND_REJECTED)
    await saying
    await cloud.until(lambda: cloud.events)
    for event, headers in zip(cloud.events, cloud.event_headers, strict=True):
        assert headers["Nats-Msg-Id"] == f"{cloud.address.event()}.{event.event_id}"


async def test_frames_are_numbered_and_the_last_one_is_marked(cloud, open_device):
    """Without an endpoint the device sends trailing noise and ends the utterance itself; no frame is digital silence."""
    device = await open_device(trailing_silence_s=0.4)
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.until(lambda: any(frame.last for frame in cloud.frames.get(turn, {}).values()))
    frames = cloud.frames[turn]
    await cloud.outcome(turn, text="", kind=outcome_pb2.OUTCOME_KIND_REJECTED)
    await saying

    assert sorted(frames) == list(range(len(frames)))
    assert [n for n, frame in frames.items() if frame.last] == [len(frames) - 1]
    assert len(frames) * 0.04 == pytest.approx(0.2 + 1.0 + 0.4, abs=0.08)
    assert all(np.frombuffer(frame.payload, np.int16).any() for frame in frames.values())


async def test_the_endpoint_stops_the_upload(cloud, open_device):
    """After EndpointDetected the device sends nothing more of the utterance."""
    device = await open_device(capture_speed=20.0, trailing_silence_s=60.0)
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.audio(turn, 10)
    await cloud.endpoint(turn)
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 2))
    await saying
    count = len(cloud.frames[turn])
    await asyncio.sleep(0.05)

    assert count < 100
    assert len(cloud.frames[turn]) == count


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
async def test_any_rate_is_sent_at_the_capture_rate(cloud, open_device, rate):
    """Samples of any rate from 8 to 48 kHz arrive as frames of 40 ms at the announced rate."""
    device = await open_device(trailing_silence_s=0.0, pre_roll_s=0.0)
    saying = asyncio.create_task(device.say(np.full(rate, 1000, np.int16), rate))
    turn = await cloud.turn_started()
    await cloud.until(lambda: any(frame.last for frame in cloud.frames.get(turn, {}).values()))
    await cloud.outcome(turn, text="", kind=outcome_pb2.OUTCOME_KIND_REJECTED)
    await saying
    seconds = sum(len(frame.payload) for frame in cloud.frames[turn].values()) / 2 / 16_000
    assert seconds == pytest.approx(1.04, abs=0.03)


async def test_opus_goes_up_and_comes_down(cloud, open_device):
    """A device set to Opus announces it in both directions and plays what is sent as PCM all the same."""
    device = await open_device(capture_encoding="opus", playback_encoding="opus")
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.audio(turn, 10)
    start, _ = cloud.starts[0]
    await cloud.endpoint(turn)
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 3))
    result = await saying

    assert start.format.encoding == start.playback_format.encoding == 2
    assert max(len(frame.payload) for frame in cloud.frames[turn].values()) < 400
    assert sequences_in(result.answer) == [0, 1, 2]


async def test_playback_is_told_in_events(cloud, open_device):
    """PlaybackStarted and PlaybackFinished name the outcome and the turn, once each, with the turn's trace."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.endpoint(turn)
    await cloud.outcome(turn, outcome_id="o7")
    await cloud.speak(cloud.speech(turn, 5, outcome_id="o7"))
    await saying
    started = await cloud.event("playback_started")
    finished = await cloud.event("playback_finished")
    await cloud.settled(device)

    assert started.turn_id == finished.turn_id == turn
    assert started.playback_started.outcome_id == finished.playback_finished.outcome_id == "o7"
    assert started.boot_id == device.boot_id
    assert len(cloud.of_kind("playback_started")) == len(cloud.of_kind("playback_finished")) == 1
    assert len({event.event_id for event in cloud.events}) == len(cloud.events)


async def test_segments_are_spoken_as_they_come(cloud, open_device):
    """An answer in segments is one outcome: the frames of both are heard in order, and playback finishes once."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.endpoint(turn)
    await cloud.outcome(turn, text="Here is the news.", final=False)
    frames = cloud.speech(turn, 6)
    for frame in frames:
        frame.last = False
    await cloud.speak(frames)
    await cloud.event("playback_started")
    await cloud.outcome(turn, text="First, nothing.", segment_index=1)
    await cloud.speak(cloud.speech(turn, 4, first=6, segment=1))
    result = await saying
    await cloud.settled(device)

    assert result.answer_text == "Here is the news. First, nothing."
    assert sequences_in(result.answer) == list(range(10))
    assert len(cloud.of_kind("playback_finished")) == 1


async def test_an_answer_that_expects_a_reply_opens_a_session(cloud, open_device):
    """The turn after an answer that expects a reply is a follow-up of its session; the turn after that is not."""
    device = await open_device()
    triggers = []
    for number in (1, 2, 3):
        saying = asyncio.create_task(device.say(SPEECH))
        turn = await cloud.turn_started(number)
        await cloud.endpoint(turn)
        await cloud.outcome(turn, outcome_id=f"o{number}", expects_reply=number == 1, session_id="s9")
        await cloud.speak(cloud.speech(turn, 2, outcome_id=f"o{number}"))
        result = await saying
        assert result.expects_reply == (number == 1)
        triggers.append((cloud.starts[number - 1][0].trigger, cloud.starts[number - 1][0].session_id))
    assert triggers == [
        (upstream_pb2.TRIGGER_BUTTON, ""),
        (upstream_pb2.TRIGGER_FOLLOW_UP, "s9"),
        (upstream_pb2.TRIGGER_BUTTON, ""),
    ]


async def test_a_listen_directive_opens_the_microphone(cloud, open_device):
    """Listen gives the next utterance its session, and is acknowledged."""
    device = await open_device()
    listen = directive_pb2.Directive(directive_id="t.0", listen=directive_pb2.Listen(session_id="s3"))
    listen.listen.timeout.FromSeconds(5)
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.outcome(turn, text="", directives=(listen,))
    await saying
    await cloud.event("directive_acknowledged")
    assert device.follow_up is not None
    assert device.follow_up.session_id == "s3"


async def test_no_words_go_up(cloud, open_device):
    """What the device sends in a whole turn holds neither what was said nor what was answered."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.interim(turn, "tokyo")
    await cloud.endpoint(turn)
    await cloud.final(turn, "tokyo time please")
    await cloud.outcome(turn, text="Quarter past twelve.")
    await cloud.speak(cloud.speech(turn, 3))
    await saying
    await cloud.settled(device)
    sent = b"".join(cloud.everything).lower()
    assert cloud.of_kind("playback_finished")
    assert not any(word in sent for word in (b"tokyo", b"time please", b"quarter", b"twelve"))


async def test_a_silent_cloud_ends_in_the_device_own_apology(cloud, open_device):
    """Without an outcome the device apologises itself and says so; an outcome after that changes nothing."""
    device = await open_device(answer_timeout_s=0.3, trailing_silence_s=0.1)
    result = await device.say(SPEECH)
    abandoned = await cloud.event("turn_abandoned")
    await cloud.outcome(result.turn_id)
    await cloud.speak(cloud.speech(result.turn_id, 3))
    await asyncio.sleep(0.1)

    assert result.abandoned is AbandonReason.CLOUD_TIMEOUT
    assert result.kind is None
    assert abandoned.turn_abandoned.reason == "cloud_timeout"
    assert abandoned.turn_abandoned.apology_played
    assert not cloud.of_kind("playback_started")
    assert device.dropped["late"] >= 1


async def test_an_answer_without_speech_ends_in_the_device_own_apology(cloud, open_device):
    """An outcome whose speech never comes leaves nobody in silence."""
    device = await open_device(speech_timeout_s=0.3)
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.endpoint(turn)
    await cloud.outcome(turn)
    result = await saying
    abandoned = await cloud.event("turn_abandoned")
    assert result.abandoned is AbandonReason.CLOUD_TIMEOUT
    assert abandoned.turn_abandoned.apology_played
    assert [error.code for error in result.errors] == ["speech_lost"]


async def test_the_first_outcome_binds(cloud, open_device):
    """A second outcome of the same turn, and its frames, are not heard."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.endpoint(turn)
    await cloud.outcome(turn, outcome_id="first", text="One.")
    await cloud.outcome(turn, outcome_id="second", text="Two.")
    await cloud.speak(cloud.speech(turn, 3, outcome_id="second"))
    await cloud.speak(cloud.speech(turn, 4, outcome_id="first"))
    result = await saying
    assert result.outcome_id == "first"
    assert result.answer_text == "One."
    assert sequences_in(result.answer) == [0, 1, 2, 3]


async def test_errors_of_the_cloud_reach_the_caller(cloud, open_device):
    """A recognition error and a device error are told with their codes; the turn still has its outcome."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.recognise(turn, error={"code": "unknown_locale", "message": "no", "stage": "asr"})
    await cloud.outcome(turn, kind=outcome_pb2.OUTCOME_KIND_APOLOGISED, text="Sorry.")
    await cloud.speak(cloud.speech(turn, 2))
    result = await saying
    assert [(error.code, error.stage) for error in result.errors] == [("unknown_locale", "asr")]
    assert result.kind is OutcomeKind.APOLOGISED


async def test_cancelling_ends_the_turn_in_silence(cloud, open_device):
    """A user who cancels hears nothing more, and the cloud is told."""
    device = await open_device(capture_speed=1.0)
    saying = asyncio.create_task(device.say(SPEECH))
    await cloud.turn_started()
    device.cancel()
    result = await saying
    abandoned = await cloud.event("turn_abandoned")
    assert result.abandoned is AbandonReason.USER_CANCELLED
    assert abandoned.turn_abandoned.reason == "user_cancelled"
    assert not abandoned.turn_abandoned.apology_played


async def test_closing_a_device_ends_its_turn(cloud, open_device):
    """A device that is closed during a turn tells the cloud so before it goes."""
    device = await open_device(capture_speed=1.0)
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await device.__aexit__(None, None, None)
    assert (await saying).abandoned is AbandonReason.USER_CANCELLED
    assert (await cloud.event("turn_abandoned")).turn_id == turn


async def test_a_device_says_what_it_can_when_it_connects(cloud, open_device):
    """Connected names firmware and capabilities."""
    device = await open_device()
    connected = await cloud.event("connected")
    assert connected.boot_id == device.boot_id
    assert list(connected.connected.capabilities) == ["speech", "media", "ring"]


@pytest.mark.parametrize(
    ("samples", "rate"),
    [(np.zeros(10, np.float32), 16_000), (np.zeros((2, 10), np.int16), 16_000), (np.zeros(10, np.int16), 4_000)],
)
async def test_samples_of_another_kind_are_refused(open_device, samples, rate):
    """What is not mono int16 at a supported rate is refused before anything is sent."""
    device = await open_device()
    with pytest.raises(UtteranceRefusedError):
        await device.say(samples, rate)


async def test_a_bus_that_is_not_there_is_one_error(open_device):
    """Opening a device without a bus fails with network_lost."""
    with pytest.raises(LinkLostError) as caught:
        await open_device(nats_url="nats://127.0.0.1:1", connect_timeout_s=0.3)
    assert caught.value.code == "network_lost"


async def test_a_closed_device_refuses_turns(open_device):
    """A device that was not opened says so."""
    device = await open_device()
    await device.__aexit__(None, None, None)
    with pytest.raises(NotConnectedError):
        await device.say(SPEECH)
