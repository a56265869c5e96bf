"""Resampling and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earshot_audio import MalformedAudioError, Resampler, read_wav, write_wav


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(8_000, 16_000), (16_000, 48_000), (22_050, 48_000), (44_100, 16_000), (48_000, 16_000)]
)
def test_a_tone_keeps_its_pitch_phase_and_length(from_hz: int, to_hz: int) -> None:
    """Resampled in blocks, a tone is the same tone, in phase, as long as before, with errors 70 dB below it."""
    said = (np.sin(2 * np.pi * 440 * np.arange(from_hz) / from_hz) * 12_000).astype(np.int16)
    resampler = Resampler(from_hz, to_hz)
    blocks = [resampler.process(block) for block in np.array_split(said, 37)]
    heard = np.concatenate([*blocks, resampler.flush()])
    assert abs(len(heard) - to_hz) <= 1
    expected = np.sin(2 * np.pi * 440 * np.arange(len(heard)) / to_hz) * 12_000
    middle = slice(len(heard) // 8, -len(heard) // 8)
    error = np.sqrt(np.mean((heard[middle] - expected[middle]) ** 2))
    assert error < 12_000 / np.sqrt(2) * 10 ** (-70 / 20)


def test_little_is_held_back() -> None:
    """A block of 20 ms gives 20 ms, less one millisecond, at once."""
    assert len(Resampler(48_000, 16_000).process(np.zeros(960, np.int16))) >= 304


def test_the_same_rate_is_passed_through() -> None:
    """Between equal rates nothing is touched or held back."""
    resampler = Resampler(16_000, 16_000)
    samples = np.arange(10, dtype=np.int16)
    assert resampler.process(samples) is samples
    assert len(resampler.flush()) == 0


def test_wav_survives(tmp_path: Path) -> None:
    """What is written as WAV is read back, from the file and from its bytes."""
    samples = np.arange(-1000, 1000, dtype=np.int16)
    data = write_wav(samples, 22_050, tmp_path / "a.wav")
    for source in (data, tmp_path / "a.wav"):
        heard, rate = read_wav(source)
        assert rate == 22_050
        assert np.array_equal(heard, samples)


def test_what_is_no_audio_file_is_refused() -> None:
    """Bytes that are no audio file are refused with a code."""
    with pytest.raises(MalformedAudioError) as caught:
        read_wav(b"RIFF but no more")
    assert caught.value.code == "malformed_wav"
