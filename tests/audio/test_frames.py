"""Frames on the wire: PCM16 and Opus in both directions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from earshot_audio import Encoding, Format, FrameDecoder, FrameEncoder, MalformedAudioError, UnsupportedFormatError


def chirp(rate: int, seconds: float = 1.0) -> NDArray[np.int16]:
    """Return a tone that rises from 200 to 1,500 Hz: every delay shows in its correlation."""
    at = np.arange(int(rate * seconds)) / rate
    return (np.sin(2 * np.pi * (200 + 650 * at / seconds) * at) * 9000).astype(np.int16)


def decode_all(audio_format: Format, frames: list[bytes]) -> NDArray[np.int16]:
    """Return all that a decoder makes of the frames."""
    decoder = FrameDecoder(audio_format)
    return np.concatenate([*(decoder.decode(frame) for frame in frames), decoder.flush()])


def delay_of(heard: NDArray[np.int16], said: NDArray[np.int16], rate: int) -> float:
    """Return by how many seconds `heard` lags `said`."""
    length = min(len(heard), len(said))
    spectrum = np.fft.rfft(heard[:length], 2 * length) * np.conj(np.fft.rfft(said[:length], 2 * length))
    lag = int(np.fft.irfft(spectrum).argmax())
    return (lag - 2 * length if lag > length else lag) / rate


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frame_ms", [20, 40])
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_pcm_survives_bit_exact(rate: int, frame_ms: int, channels: int) -> None:
    """PCM16 comes back sample by sample, its last frame as short as what was left."""
    audio_format = Format(encoding=Encoding.LINEAR16, sample_rate_hertz=rate, channel_count=channels)
    encoder = FrameEncoder(audio_format, frame_ms)
    said = chirp(rate, 0.333)
    frames = [*encoder.encode(said[:101]), *encoder.encode(said[101:]), *encoder.flush()]
    assert len(frames[0]) == rate * frame_ms // 1000 * 2 * channels
    assert np.array_equal(decode_all(audio_format, frames), said)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frame_ms", [20, 40, 60])
@pytest.mark.parametrize("rate", [8_000, 12_000, 16_000, 24_000, 48_000])
def test_opus_keeps_time_and_content(rate: int, frame_ms: int, channels: int) -> None:
    """Opus gives one packet a frame, and decoded audio lies within a millisecond of what was encoded, to its end."""
    audio_format = Format(encoding=Encoding.OPUS, sample_rate_hertz=rate, channel_count=channels)
    encoder = FrameEncoder(audio_format, frame_ms)
    said = chirp(rate)
    frames = encoder.encode(said)
    assert len(frames) == len(said) // encoder.samples_per_frame
    heard = decode_all(audio_format, [*frames, *encoder.flush()])
    assert len(said) <= len(heard) <= len(said) + 2 * encoder.samples_per_frame
    assert abs(delay_of(heard, said, rate)) <= 0.001
    aligned = heard[: len(said)].astype(float)
    assert np.corrcoef(aligned, said)[0, 1] > 0.9


def test_stereo_is_heard_as_its_mean() -> None:
    """Two channels become their mean."""
    audio_format = Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000, channel_count=2)
    assert FrameDecoder(audio_format).decode(np.array([100, 300, -5, -7], "<i2").tobytes()).tolist() == [200, -6]


@pytest.mark.parametrize(("payload", "channels"), [(b"", 1), (b"\0", 1), (b"\0\0\0", 1), (b"\0" * 6, 2)])
def test_odd_byte_counts_are_refused(payload: bytes, channels: int) -> None:
    """A payload that does not hold whole samples of every channel is refused with a code."""
    audio_format = Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000, channel_count=channels)
    with pytest.raises(MalformedAudioError) as caught:
        FrameDecoder(audio_format).decode(payload)
    assert caught.value.code == "odd_byte_count"


@pytest.mark.parametrize("garbage", [b"", b"\xff\xff\xff", b"garbage" * 30, b"\x03", b"\0" * 9000])
def test_garbage_is_refused_and_the_stream_goes_on(garbage: bytes) -> None:
    """What is no Opus packet is refused with a code, and the packets after it are decoded."""
    audio_format = Format(encoding=Encoding.OPUS, sample_rate_hertz=16_000)
    packets = FrameEncoder(audio_format).encode(chirp(16_000, 0.1))
    decoder = FrameDecoder(audio_format)
    decoder.decode(packets[0])
    with pytest.raises(MalformedAudioError) as caught:
        decoder.decode(garbage)
    assert caught.value.code == "malformed_opus"
    assert len(decoder.decode(packets[1])) == 320


@pytest.mark.parametrize(
    ("encoding", "rate", "channels", "code"),
    [
        ("mp3", 16_000, 1, "unsupported_encoding"),
        (Encoding.LINEAR16, 0, 1, "unsupported_sample_rate"),
        (Encoding.LINEAR16, 7_999, 1, "unsupported_sample_rate"),
        (Encoding.LINEAR16, 96_000, 1, "unsupported_sample_rate"),
        (Encoding.OPUS, 44_100, 1, "unsupported_sample_rate"),
        (Encoding.LINEAR16, 16_000, 0, "unsupported_channel_count"),
        (Encoding.OPUS, 16_000, 6, "unsupported_channel_count"),
    ],
)
def test_unsupported_formats_cannot_be_made(encoding: Encoding, rate: int, channels: int, code: str) -> None:
    """A format that is not spoken here is refused where it is made."""
    with pytest.raises(UnsupportedFormatError) as caught:
        Format(encoding=encoding, sample_rate_hertz=rate, channel_count=channels)
    assert caught.value.code == code


def test_frame_lengths_are_those_of_opus() -> None:
    """A frame length that Opus can't have is a programming error."""
    with pytest.raises(ValueError, match="10, 20, 40 or 60"):
        FrameEncoder(Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000), 25)
