"""The real voice activity model under the endpointer, on synthesised speech."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from earshot_asr.endpointing import EndpointingEvent, EndpointingRules, EndpointReason, SpeechStarted
from earshot_asr.frontend import FrontEnd
from earshot_asr.silero import SileroDetector, SileroPool
from earshot_audio import Encoding, Format
from support.hearing import frames_of
from support.speech import synthesise

RULES = EndpointingRules()


@pytest.fixture(scope="module")
def detector() -> SileroDetector:
    """Load the model once."""
    return SileroDetector()


def room(seconds: float) -> NDArray[np.int16]:
    """Return the noise of a quiet room, -63 dBFS."""
    return (np.random.default_rng(3).standard_normal(round(seconds * 16_000)) * 23).astype(np.int16)


def events_of(detector: SileroDetector, samples: NDArray[np.int16]) -> list[EndpointingEvent]:
    """Return what the endpointer says to some sound."""
    detector.reset()
    front_end = FrontEnd(Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000), detector, RULES)
    events: list[EndpointingEvent] = []
    for frame in frames_of(samples):
        heard = front_end.hear(frame)
        events += heard.events
        if heard.endpoint:
            break
    return events


@pytest.mark.parametrize(
    ("locale", "words"),
    [("en-US", "what time is it in Tokyo"), ("en-US", "stop"), ("zh-CN", "现在几点了")],
)
def test_speech_is_found_and_its_end(detector: SileroDetector, locale: str, words: str) -> None:
    """Speech starts near its first sample, ends near its last, and is over within 1.2 s of silence."""
    said = synthesise(words, locale)
    loud = np.flatnonzero(np.abs(said) > 500)
    events = events_of(detector, np.concatenate([room(0.5), said, room(2.0)]))
    started, over = events[0], events[-1]
    assert isinstance(started, SpeechStarted)
    assert started.offset == pytest.approx(0.5 + loud[0] / 16_000, abs=0.15)
    assert over.reason is EndpointReason.SILENCE
    assert over.end_of_speech_offset == pytest.approx(0.5 + loud[-1] / 16_000, abs=0.2)
    assert over.audio_offset - over.end_of_speech_offset < 1.2


@pytest.mark.parametrize(
    ("locale", "before", "after"),
    [
        ("en-US", "what's the weather in Paris", "tomorrow"),
        ("en-US", "play some", "jazz"),
        ("zh-CN", "明天", "巴黎天气怎么样"),
    ],
)
def test_a_pause_of_half_a_second_cuts_nothing_off(
    detector: SileroDetector, locale: str, before: str, after: str
) -> None:
    """Who stops for 500 ms in the middle is heard to the end."""
    first, second = (trimmed(synthesise(words, locale)) for words in (before, after))
    said = np.concatenate([room(0.3), first, room(0.5), second])
    over = events_of(detector, np.concatenate([said, room(2.0)]))[-1]
    assert over.reason is EndpointReason.SILENCE
    assert over.end_of_speech_offset == pytest.approx(len(said) / 16_000, abs=0.25)


def trimmed(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return speech without the silence around it."""
    loud = np.flatnonzero(np.abs(samples) > 300)
    return samples[loud[0] : loud[-1] + 1]


def test_noise_is_no_speech(detector: SileroDetector) -> None:
    """A quiet room and a hum are nobody."""
    hum = (np.sin(2 * np.pi * 100 * np.arange(16_000 * 7) / 16_000) * 2_000).astype(np.int16)
    for sound in (room(7.0), hum):
        assert [event.reason for event in events_of(detector, sound)] == [EndpointReason.NO_SPEECH]


async def test_detectors_are_used_again_and_remember_nothing() -> None:
    """A detector that was given back judges the next utterance as a new one would."""
    said = synthesise("play some jazz", "en-US")
    windows = [said[start : start + 512] for start in range(0, len(said) - 512, 512)]
    pool = SileroPool()
    await pool.warm(1)
    first = await pool.acquire()
    judged = [first.probability(window) for window in windows]
    pool.release(first)
    second = await pool.acquire()
    assert second is first
    assert [second.probability(window) for window in windows] == judged
    with pytest.raises(TypeError):
        pool.release(object())  # type: ignore[arg-type]
