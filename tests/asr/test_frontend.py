"""From frames to samples and events: formats, wake words, frames that are missing."""

from __future__ import annotations

import numpy as np
import pytest

from earshot_asr.endpointing import EndpointingEvent, EndpointingRules, EndpointReason, SpeechStarted
from earshot_asr.frontend import FrontEnd
from earshot_audio import Encoding, Format, FrameEncoder, MalformedAudioError
from support.recognition import LoudnessDetector, silence, speech

RULES = EndpointingRules()
PCM16 = Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000)


def hear(front_end: FrontEnd, frames: list[bytes | None]) -> tuple[bytes, list[EndpointingEvent]]:
    """Return the PCM and the events of some frames."""
    pcm, events = b"", []
    for frame in frames:
        heard = front_end.hear(frame)
        pcm += heard.pcm
        events += heard.events
        if heard.endpoint:
            break
    return pcm, events


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("frame_ms", [20, 40, 60])
def test_every_format_ends_at_the_same_time(encoding: Encoding, channels: int, rate: int, frame_ms: int) -> None:
    """Whatever the format, speech begins and ends where it did, to 64 ms, and the engine hears 16 kHz mono."""
    audio_format = Format(encoding=encoding, sample_rate_hertz=rate, channel_count=channels)
    encoder = FrameEncoder(audio_format, frame_ms)
    said = np.concatenate([silence(0.5, rate), speech(1.0, rate), silence(2.0, rate)])
    front_end = FrontEnd(audio_format, LoudnessDetector(), RULES)
    pcm, events = hear(front_end, [*encoder.encode(said), *encoder.flush()])
    started, over = events[0], events[-1]
    assert isinstance(started, SpeechStarted)
    assert started.offset == pytest.approx(0.5, abs=0.064)
    assert over.end_of_speech_offset == pytest.approx(1.5, abs=0.064)
    assert over.reason is EndpointReason.SILENCE
    assert len(pcm) / 32_000 == pytest.approx(over.audio_offset, abs=0.064)


def test_a_missing_frame_is_as_long_as_the_one_before() -> None:
    """Silence takes the place of a frame that was given up, so that later offsets stay right."""
    front_end = FrontEnd(PCM16, None, RULES)
    pcm, _ = hear(front_end, [b"\1\0" * 640, None, b"\1\0" * 640])
    assert pcm == b"\1\0" * 640 + b"\0\0" * 640 + b"\1\0" * 640
    assert front_end.audio_seconds == pytest.approx(0.12)


def test_skipped_audio_is_counted_but_not_heard() -> None:
    """The wake word is cut off to the sample, also in the middle of a frame."""
    said = speech(0.5).tobytes()
    front_end = FrontEnd(PCM16, LoudnessDetector(), RULES, skip_s=0.1234375)
    pcm, events = hear(front_end, [said[start : start + 1_280] for start in range(0, len(said), 1_280)])
    assert pcm == said[2 * 1_975 :]
    assert events == [SpeechStarted(offset=pytest.approx(0.1234375))]
    assert front_end.audio_seconds == pytest.approx(0.5)


def test_an_empty_frame_is_the_end_and_no_error() -> None:
    """A device may mark its end with a frame without samples."""
    assert hear(FrontEnd(PCM16, None, RULES), [b""]) == (b"", [])


def test_a_frame_that_is_not_audio_is_refused() -> None:
    """Half a sample is an error with a code."""
    with pytest.raises(MalformedAudioError, match="whole"):
        FrontEnd(PCM16, None, RULES).hear(b"\0" * 641)
