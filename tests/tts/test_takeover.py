"""Outcomes that outlive the worker that began them, and outcomes of several segments."""

from __future__ import annotations

import asyncio

import pytest

from earshot.common.v1 import turn_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_device.bus import wire as device_wire
from earshot_device.core.ids import OutcomeId as DeviceOutcomeId
from earshot_device.core.speech_buffer import Added, SpeechBuffer
from earshot_topology.subjects import TURN_FILLER
from support.speaking import OPUS_24K, PCM_16K, listener, settled, speech_worker

ANSWER = "This is the first sentence of an answer. The second one is a little longer than that. Here is the third."


async def test_answer_goes_on_bit_exact_after_its_worker_died(server) -> None:
    """Another worker resumes behind the last captured frame; PCM and Opus are what one worker alone would have sent."""
    async with listener(server) as device, listener(server, serial="d2") as reference:
        async with speech_worker(server, lead_s=0.3, burst_s=0.1) as dying:
            turns = [
                await device.decide(ANSWER, playback=playback, outcome_id=f"o{n}")
                for n, playback in enumerate((PCM_16K, OPUS_24K))
            ]
            await device.wait(lambda: all(len(device.of(turn)) > 20 for turn in turns))
            await dying.freeze()
            sent = [len(device.of(turn)) for turn in turns]
        async with speech_worker(server, lead_s=30.0):
            resumed = [await device.whole(turn) for turn in turns]
            alone = [
                await reference.whole(await reference.decide(ANSWER, playback=playback, outcome_id=f"r{n}"))
                for n, playback in enumerate((PCM_16K, OPUS_24K))
            ]
            await settled(server)
    for frames, expected, count in zip(resumed, alone, sent, strict=True):
        assert [frame.payload for frame in frames] == [frame.payload for frame in expected]
        assert {frame.owner_epoch for frame in frames[:count]} == {1}
        assert {frame.owner_epoch for frame in frames[count:]} == {2}
    # What the first worker had sent was not sent again.
    assert len(device.frames) == sum(len(frames) for frames in resumed)


@pytest.mark.parametrize("dies_in", [0, 1])
async def test_streamed_answer_is_heard_whole_whichever_segment_its_worker_died_in(server, dies_in) -> None:
    """Epochs count each segment's deliveries: the device's own buffer takes every frame, to the last one, once."""
    async with listener(server) as device:
        async with speech_worker(server, lead_s=0.3, burst_s=0.1) as dying:
            turn = await device.decide("Here is the first part.", final=False)
            if dies_in == 1:
                await device.wait(lambda: any(frame.segment_last for frame in device.frames))
                await settled(server)
                await device.decide("And here is the second part.", turn_id=turn, segment=1)
            await device.wait(lambda: sum(frame.segment_index == dies_in for frame in device.frames) > 5)
            await dying.freeze()
        async with speech_worker(server, lead_s=30.0):
            if dies_in == 0:
                await device.decide("And here is the second part.", turn_id=turn, segment=1)
            await device.whole(turn)
            await settled(server)
    owners = dict.fromkeys((frame.segment_index, frame.owner_epoch) for frame in device.frames)
    assert list(owners) == ([(0, 1), (0, 2), (1, 1)] if dies_in == 0 else [(0, 1), (1, 1), (1, 2)])
    buffer = SpeechBuffer(DeviceOutcomeId("o1"))
    verdicts = {buffer.add(device_wire.speech_frame(frame.SerializeToString())) for frame in device.frames}
    assert verdicts == {Added.NEW}
    assert buffer.complete


async def test_worker_that_is_asked_to_stop_hands_over(server) -> None:
    """A worker that leaves in the middle of an answer gives it back at once; the next one goes on behind it."""
    async with listener(server) as device:
        async with speech_worker(server, lead_s=0.3, burst_s=0.1):
            turn = await device.decide(ANSWER)
            await device.wait(lambda: len(device.frames) > 20)
        async with speech_worker(server, lead_s=30.0):
            frames = await device.whole(turn, 2.0)
            await settled(server)
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    assert len(device.frames) == len(frames)
    assert frames[-1].owner_epoch == 2


async def test_worker_that_is_asked_to_stop_ends_its_filler(server) -> None:
    """A filler belongs to nobody else: what has begun is spoken to its last frame before the worker leaves."""
    async with listener(server) as device:
        async with speech_worker(server, lead_s=0.3, burst_s=0.1) as leaving:
            await leaving.bus.client.flush()
            turn = turn_pb2.TurnContext(
                turn_id="t1", household_id="h1", device_id="d1", locale="en-US", modality=turn_pb2.MODALITY_VOICE
            )
            filler = outcome_pb2.FillerRequested(turn=turn, prompt=outcome_pb2.Prompt(text="One moment, let me see."))
            await device.client.publish(TURN_FILLER, filler.SerializeToString())
            await device.wait(lambda: device.frames)
            assert not device.frames[-1].last
        await device.wait(lambda: any(frame.last for frame in device.frames), 1.0)
    assert [frame.sequence for frame in device.frames] == list(range(len(device.frames)))


async def test_segments_are_one_sequence(server) -> None:
    """Segments that come while the one before is spoken follow it, with numbers that go on and one last frame."""
    async with speech_worker(server, lead_s=1.2), listener(server) as device:
        turn = await device.decide("Here is the news.", final=False)
        await device.decide("First, the weather.", turn_id=turn, segment=1, final=False)
        await device.decide("That was it.", turn_id=turn, segment=2)
        frames = await device.whole(turn)
        await settled(server)
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    assert [frame.segment_index for frame in frames] == sorted(frame.segment_index for frame in frames)
    assert [frame.segment_index for frame in frames if frame.segment_last] == [0, 1, 2]
    assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]


async def test_segment_goes_on_behind_one_that_another_worker_spoke(server) -> None:
    """A worker that knows nothing of the earlier segment finds its end in the capture; silent segments are skipped."""
    async with listener(server) as device:
        async with speech_worker(server):
            turn = await device.decide("Here is the news.", final=False)
            await device.wait(lambda: any(frame.segment_last for frame in device.frames))
            await settled(server)
        async with speech_worker(server):
            await device.decide(turn_id=turn, segment=1, final=False)
            await device.decide("That was it.", turn_id=turn, segment=2)
            frames = await device.whole(turn)
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    assert [frame.segment_index for frame in frames if frame.segment_last] == [0, 2]


async def test_final_segment_without_words_ends_the_playback(server) -> None:
    """A final segment that says nothing closes what the segments before it said; alone, it makes no sound."""
    async with speech_worker(server), listener(server) as device:
        turn = await device.decide("Here is the news.", final=False)
        await device.decide(turn_id=turn, segment=1)
        frames = await device.whole(turn)
        assert frames[-1].segment_index == 1
        assert len([frame for frame in frames if frame.segment_index == 1]) == 1
        silent = await device.decide(outcome_id="o2", final=False)
        await device.decide(turn_id=silent, outcome_id="o2", segment=1)
        await settled(server)
        assert not device.of(silent)


async def test_stalled_segment_is_not_waited_for_for_ever(server) -> None:
    """A segment whose predecessor was never spoken begins after the stall limit."""
    async with speech_worker(server, stall_s=0.3), listener(server) as device:
        lost = outcome_pb2.Outcome(outcome_id="o1", segment_index=0, kind=outcome_pb2.OUTCOME_KIND_ANSWERED)
        lost.turn.modality = 1
        lost.prompts.add(text="Never spoken.", locale="en-US")
        lost.turn.playback_format.encoding = 99
        turn = "t-stalled"
        await device.client.jetstream().publish(device.address.turn_outcome(turn), lost.SerializeToString())
        await device.decide("The second segment.", turn_id=turn, segment=1)
        frames = await device.whole(turn)
        assert {frame.segment_index for frame in frames} == {1}
        assert frames[0].sequence == 0


async def test_outcome_is_owned_while_it_is_paced(server) -> None:
    """An answer that takes longer than the acknowledgement's wait is delivered once and spoken once."""
    pace = {"lead_s": 0.2, "burst_s": 0.1}
    async with speech_worker(server, **pace), speech_worker(server, **pace), listener(server) as device:
        turn = await device.decide(ANSWER.split(".", maxsplit=1)[0] + ".")
        frames = await device.whole(turn)
        await asyncio.sleep(0.1)
        await settled(server)
        assert {frame.owner_epoch for frame in frames} == {1}
        assert len(device.frames) == len(frames)


async def test_stale_outcome_is_not_spoken(server) -> None:
    """An outcome that waited for a worker for too long is acknowledged in silence; a fresh one is spoken."""
    async with listener(server) as device:
        late = await device.decide("Nobody waits for this any more.")
        await asyncio.sleep(0.3)
        async with speech_worker(server, stale_s=0.25):
            fresh = await device.decide("This is fresh.", outcome_id="o2")
            await device.whole(fresh)
            await settled(server)
        assert not device.of(late)
