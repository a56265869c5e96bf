from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest

from earshot.device.v1 import directive_pb2, downstream_pb2
from support.fake_cloud import sequences_in

SPEECH = (np.sin(np.arange(16_000) / 5) * 8000).astype(np.int16)


async def answered(cloud, device, frames, **outcome):
    """Run a turn whose answer is what `frames` makes of the turn's id."""
    number = len(cloud.starts) + 1
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started(number)
    await cloud.endpoint(turn)
    await cloud.outcome(turn, **outcome)
    await cloud.speak(frames(turn))
    return await saying


async def test_frames_out_of_order_are_put_in_order(cloud, open_device):
    """Frames that are shuffled and repeated are heard once each, in their order."""
    device = await open_device()

    def frames(turn):
        sent = cloud.speech(turn, 30) * 2
        random.Random(1).shuffle(sent)
        return sent

    result = await answered(cloud, device, frames)
    assert sequences_in(result.answer) == list(range(30))
    assert result.concealed_count == 0


async def test_lost_frames_are_asked_for_again(cloud, open_device):
    """A gap is backfilled before the play head reaches it: nothing is concealed."""
    device = await open_device(playback_speed=4.0)
    result = await answered(
        cloud, device, lambda turn: [f for f in cloud.speech(turn, 50) if f.sequence not in {20, 21, 30}]
    )
    assert sequences_in(result.answer) == list(range(50))
    assert result.concealed_count == 0
    assert (20, 22) in {(request.from_sequence, request.to_sequence) for request in cloud.backfills}


async def test_a_lost_end_is_asked_for_again(cloud, open_device):
    """When the last frames are lost, everything behind the last one seen is asked for."""
    device = await open_device()
    result = await answered(cloud, device, lambda turn: cloud.speech(turn, 12)[:9])
    assert sequences_in(result.answer) == list(range(12))
    assert (cloud.backfills[0].from_sequence, cloud.backfills[0].to_sequence) == (9, 0)


async def test_frames_that_nobody_has_are_filled_with_silence(cloud, open_device):
    """A frame that no backfill brings is concealed, counted and told in PlaybackFinished."""
    device = await open_device()

    def frames(turn):
        sent = cloud.speech(turn, 20)
        del cloud.captured[7]
        return [frame for frame in sent if frame.sequence != 7]

    result = await answered(cloud, device, frames)
    finished = await cloud.event("playback_finished")
    assert sequences_in(result.answer) == [-1 if n == 7 else n for n in range(20)]
    assert result.concealed_count == finished.playback_finished.concealed_frame_count == 1


async def test_speech_that_breaks_off_is_told(cloud, open_device):
    """When the rest never comes, playback is interrupted at the last frame heard, and the error says so."""
    device = await open_device(speech_timeout_s=0.3)

    def frames(turn):
        sent = cloud.speech(turn, 10)
        for number in range(6, 10):
            del cloud.captured[number]
        return sent[:6]

    result = await answered(cloud, device, frames)
    interrupted = await cloud.event("playback_interrupted")
    assert interrupted.playback_interrupted.position.frame_sequence == 5
    assert interrupted.playback_interrupted.interrupting_turn_id == ""
    assert [error.code for error in result.errors] == ["speech_lost"]
    assert result.abandoned is None


async def test_a_replaced_recogniser_is_not_heard(cloud, open_device):
    """Updates of a lower owner epoch are dropped once a higher one has spoken."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.interim(turn, "first", epoch=1)
    await cloud.interim(turn, "second", epoch=2)
    await cloud.interim(turn, "third", epoch=1)
    await cloud.final(turn, "wrong", epoch=1)
    await cloud.endpoint(turn, epoch=2)
    await cloud.final(turn, "right", epoch=2)
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 2))
    result = await saying
    assert [interim.transcript for interim in result.interims] == ["first", "second"]
    assert result.transcript == "right"
    assert device.dropped["stale"] == 2


async def test_a_replaced_synthesiser_is_not_heard(cloud, open_device):
    """After a takeover the frames of the old worker are dropped from where the new one began."""
    device = await open_device()

    def frames(turn):
        before = cloud.speech(turn, 6, epoch=1)
        after = cloud.speech(turn, 6, first=6, epoch=2)
        stale = cloud.speech(turn, 6, first=6, epoch=1)
        for frame in before:
            frame.last = frame.segment_last = False
        for frame in stale:
            frame.payload = np.full(960, 999, np.int16).tobytes()
        return [*before, after[0], *stale, *after[1:]]

    result = await answered(cloud, device, frames)
    assert sequences_in(result.answer) == list(range(12))


async def test_malformed_messages_disturb_nothing(cloud, open_device):
    """Bytes that are no message, on every subject, are counted and the turn goes on."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    address = cloud.address
    subjects = [
        address.recognition(),
        address.outcome(turn),
        address.speech(turn),
        address.directive(),
        address.error(),
    ]
    for subject in subjects:
        await cloud.client.publish(subject, b"\xff\xff\xff\xff")
    await cloud.client.publish(address.error().replace("error", "unheard_of"), b"")
    foreign = cloud.speech("another", 1)[0]
    await cloud.client.publish(address.speech(turn), foreign.SerializeToString())
    odd = cloud.speech(turn, 5)
    odd[2].payload = odd[2].payload[:-1]
    odd[3].format.sample_rate_hertz = 7
    await cloud.endpoint(turn)
    await cloud.outcome(turn)
    await cloud.speak(odd)
    result = await saying
    heard = sequences_in(result.answer)
    assert [heard[n] for n in (0, 1, 2, 4)] == [0, 1, -1, 4]
    assert device.dropped["malformed"] >= 7
    assert device.dropped["unknown"] == 1


async def test_an_unknown_update_disturbs_nothing(cloud, open_device):
    """An update of a newer contract is skipped."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    newer = downstream_pb2.RecognitionUpdate(turn_id=turn, owner_epoch=1).SerializeToString() + b"\xfa\x07\x02hi"
    await cloud.client.publish(cloud.address.recognition(), newer)
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 2))
    assert sequences_in((await saying).answer) == [0, 1]


async def test_a_lost_outcome_is_asked_for(cloud, open_device):
    """Frames of an outcome that did not come make the device ask for it; they are heard when it has come."""
    device = await open_device()
    cloud.on_outcome_request = cloud.outcome
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.endpoint(turn)
    await asyncio.sleep(0.05)
    await cloud.speak(cloud.speech(turn, 5))
    result = await saying
    assert sequences_in(result.answer) == list(range(5))
    assert cloud.outcome_requests == [turn]


async def test_speaking_over_an_answer_interrupts_it(cloud, open_device):
    """Barge-in: playback stops, the cloud learns where and by which turn, and the new turn names the outcome."""
    device = await open_device(playback_speed=1.0)
    first = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.endpoint(turn)
    await cloud.outcome(turn, outcome_id="long")
    await cloud.speak(cloud.speech(turn, 200, outcome_id="long"))
    await cloud.event("playback_started")
    await asyncio.sleep(0.2)
    second = asyncio.create_task(device.say(SPEECH))
    began = asyncio.get_running_loop().time()
    cut = await first
    stopped_after = asyncio.get_running_loop().time() - began
    interrupted = await cloud.event("playback_interrupted")
    following = await cloud.turn_started(2)
    await cloud.outcome(following, outcome_id="o2")
    await cloud.speak(cloud.speech(following, 2, outcome_id="o2"))
    answer = await second

    assert cut.interrupted
    # Of 200, which last for eight seconds.
    assert 0 < len(sequences_in(cut.answer)) < 100
    assert stopped_after < 1.0
    assert interrupted.turn_id == turn
    assert interrupted.playback_interrupted.interrupting_turn_id == following
    assert interrupted.playback_interrupted.position.outcome_id == "long"
    assert cloud.starts[1][0].interrupted_outcome_id == "long"
    assert not [event for event in cloud.of_kind("playback_finished") if event.turn_id == turn]
    assert sequences_in(answer.answer) == [0, 1]


async def test_a_stop_speech_directive_stops_the_speech(cloud, open_device):
    """StopSpeech for the outcome that is spoken ends it; for another one it is acknowledged and changes nothing."""
    device = await open_device(playback_speed=1.0)
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.outcome(turn, outcome_id="long")
    await cloud.speak(cloud.speech(turn, 200, outcome_id="long"))
    await cloud.event("playback_started")
    for number, outcome in enumerate(("other", "long")):
        await cloud.direct(
            directive_pb2.Directive(
                directive_id=f"x{number}", revision=number + 1, stop_speech=directive_pb2.StopSpeech(outcome_id=outcome)
            )
        )
    result = await saying
    await cloud.event("directive_acknowledged", 2)
    await cloud.event("playback_interrupted")
    assert result.interrupted


async def test_frames_that_never_arrived_are_sent_again(cloud, open_device):
    """An acknowledgement that stands still a second behind makes the device resend from there."""
    device = await open_device(capture_speed=8.0, trailing_silence_s=20.0)
    cloud.missing = {5, 6}
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.audio(turn, 50)
    cloud.missing = set()
    for _ in range(2):
        await cloud.recognise(turn, upload_ack=downstream_pb2.UploadAck(next_sequence=5))
    await cloud.until(lambda: {5, 6} <= set(cloud.frames[turn]))
    await cloud.endpoint(turn)
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 2))
    result = await saying
    assert result.resent_count >= 2
    assert cloud.next_sequence(turn) == len(cloud.frames[turn])


@pytest.mark.parametrize("answers", [True, False])
async def test_a_quiet_cloud_is_asked_how_far_it_came(cloud, open_device, answers):
    """After a silence of 1.5 s the device asks where the upload stands; it does not depend on an answer."""
    device = await open_device(answer_timeout_s=2.5, trailing_silence_s=0.1)
    cloud.answers_requests = answers
    cloud.missing = {3}
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.until(lambda: len(cloud.status_requests) > 0)
    cloud.missing = set()
    if answers:
        await cloud.until(lambda: 3 in cloud.frames[turn])
        await cloud.outcome(turn, text="")
    result = await saying
    assert (result.resent_count > 0) == answers


async def test_a_recognised_utterance_is_not_sent_again(cloud, open_device):
    """After the final transcript the cloud forgets the frames; waiting for the outcome sends none of them again."""
    device = await open_device(answer_timeout_s=4.5)
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.audio(turn, 10)
    await cloud.endpoint(turn)
    await cloud.final(turn, "done")
    await cloud.until(lambda: len(cloud.outcome_requests) > 0)
    await cloud.outcome(turn, text="")
    result = await saying
    assert result.resent_count == 0
    assert cloud.status_requests == []
