"""Outcomes to frames over a real bus, with the real engine: what one worker does for one device."""

from __future__ import annotations

import numpy as np
import pytest

from earshot.common.v1 import audio_pb2, turn_pb2
from earshot.device.v1 import upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_topology.subjects import TURN_FILLER
from support.speaking import OPUS_24K, PCM_16K, samples_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("playback", "rate"),
    [
        (None, 16_000),
        (PCM_16K, 16_000),
        (OPUS_24K, 24_000),
        (audio_pb2.AudioFormat(encoding=1, sample_rate_hertz=44_100, channel_count=2), 44_100),
        (audio_pb2.AudioFormat(encoding=2, sample_rate_hertz=48_000, channel_count=1), 48_000),
        (audio_pb2.AudioFormat(encoding=1, sample_rate_hertz=8_000, channel_count=1), 8_000),
    ],
)
async def test_answer_is_spoken_in_the_devices_format(stage, playback, rate) -> None:
    """A device hears its answer in the format it asked for, in numbered frames of 40 ms with one last frame."""
    async with stage.device() as device:
        turn = await device.decide("It is nine twenty in Tokyo.", playback=playback)
        frames = await device.whole(turn)
        assert [frame.sequence for frame in frames] == list(range(len(frames)))
        assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]
        assert frames[-1].segment_last
        assert {frame.format.sample_rate_hertz for frame in frames} == {rate}
        assert {frame.owner_epoch for frame in frames} == {1}
        assert all(frame.duration.nanos == 40_000_000 for frame in frames[:-1])
        samples = samples_of(frames)
        assert 1.2 < len(samples) / rate < 3.0
        assert np.sqrt(np.mean(samples.astype(float) ** 2)) > 500
        await stage.settled()


async def test_mandarin_is_spoken(stage) -> None:
    """A Chinese answer comes from the Chinese voice: four syllables and a half second of sound at least."""
    async with stage.device() as device:
        turn = await device.decide("现在是 9:20。", locale="zh-CN")
        samples = samples_of(await device.whole(turn))
        assert len(samples) / 16_000 > 0.8
        assert np.abs(samples).max() > 3_000


@pytest.mark.parametrize(
    "outcome",
    [
        {"kind": outcome_pb2.OUTCOME_KIND_CANCELLED},
        {"kind": outcome_pb2.OUTCOME_KIND_REJECTED},
        {"modality": turn_pb2.MODALITY_TEXT},
    ],
)
async def test_silent_outcomes_are_acknowledged_and_not_spoken(stage, outcome) -> None:
    """Cancelled and rejected turns and typed ones make no sound; the next answer does."""
    async with stage.device() as device:
        silent = await device.decide("Nobody hears this.", **outcome)
        spoken = await device.decide("Yes.")
        await device.whole(spoken)
        await stage.settled()
        assert not device.of(silent)


async def test_apology_is_spoken(stage) -> None:
    """An apology is heard like an answer."""
    async with stage.device() as device:
        turn = await device.decide("Sorry, that went wrong.", kind=outcome_pb2.OUTCOME_KIND_APOLOGISED)
        assert len(await device.whole(turn)) > 10


async def test_filler_is_spoken_without_an_outcome(stage) -> None:
    """A filler comes as frames without an outcome id, its last one marked."""
    async with stage.device() as device:
        turn = turn_pb2.TurnContext(
            turn_id="t1",
            household_id="h1",
            device_id=device.address.device,
            locale="en-US",
            modality=turn_pb2.MODALITY_VOICE,
        )
        filler = outcome_pb2.FillerRequested(turn=turn, prompt=outcome_pb2.Prompt(text="One moment."))
        await device.client.publish(TURN_FILLER, filler.SerializeToString())
        await device.wait(lambda: any(frame.last for frame in device.frames))
        assert {frame.outcome_id for frame in device.frames} == {""}
        assert [frame.sequence for frame in device.frames] == list(range(len(device.frames)))


@pytest.mark.parametrize(
    ("playback", "code"),
    [
        (audio_pb2.AudioFormat(encoding=1, sample_rate_hertz=4_000, channel_count=1), "unsupported_sample_rate"),
        (audio_pb2.AudioFormat(encoding=2, sample_rate_hertz=44_100, channel_count=1), "unsupported_sample_rate"),
        (audio_pb2.AudioFormat(encoding=1, sample_rate_hertz=16_000, channel_count=6), "unsupported_channel_count"),
        (audio_pb2.AudioFormat(sample_rate_hertz=16_000, channel_count=1), "unsupported_encoding"),
        (audio_pb2.AudioFormat(encoding=99, sample_rate_hertz=16_000, channel_count=1), "unsupported_encoding"),
    ],
)
async def test_unsupported_format_is_told_to_the_device(stage, playback, code) -> None:
    """A format that is not spoken is a coded error for the device; nothing else is disturbed."""
    async with stage.device() as device:
        turn = await device.decide("Hello.", playback=playback)
        await device.wait(lambda: device.errors)
        assert (device.errors[0].turn_id, device.errors[0].error.code) == (turn, code)
        assert device.errors[0].error.stage == "tts"
        await device.whole(await device.decide("Hello."))
        await stage.settled()


@pytest.mark.parametrize("text", ["😀👍🏽🎉", "", "   \n ", "...", "\x00\x01", "—"])
async def test_text_without_sound_ends_in_a_silent_frame(stage, text) -> None:
    """A device that waits for words that can't be spoken gets one silent last frame."""
    async with stage.device() as device:
        frames = await device.whole(await device.decide(text))
        assert len(frames) == 1
        assert not np.any(samples_of(frames))


async def test_unknown_locale_is_told_and_the_rest_is_spoken(stage) -> None:
    """A prompt that no voice can read is a coded error; playback still ends."""
    async with stage.device() as device:
        frames = await device.whole(await device.decide("Bonjour.", locale="fr-FR"))
        assert [error.error.code for error in device.errors] == ["unknown_locale"]
        assert len(frames) == 1


async def test_missed_frames_are_sent_again(stage) -> None:
    """A device that missed frames gets exactly those, from whichever worker answers."""
    async with stage.device() as device:
        turn = await device.decide("It is nine twenty in Tokyo.")
        before = {frame.sequence: frame.payload for frame in await device.whole(turn)}
        device.frames.clear()
        request = upstream_pb2.BackfillRequest(turn_id=turn, outcome_id="o1", from_sequence=3, to_sequence=7)
        answer = await device.client.request(device.address.backfill(), request.SerializeToString(), timeout=2)
        response = upstream_pb2.BackfillResponse.FromString(answer.data)
        assert (response.frame_count, response.truncated) == (4, False)
        await device.wait(lambda: len(device.frames) == 4)
        assert {frame.sequence: frame.payload for frame in device.frames} == {n: before[n] for n in range(3, 7)}
        unknown = upstream_pb2.BackfillRequest(turn_id=turn, outcome_id="o9")
        answer = await device.client.request(device.address.backfill(), unknown.SerializeToString(), timeout=2)
        response = upstream_pb2.BackfillResponse.FromString(answer.data)
        assert (response.frame_count, response.truncated) == (0, True)
