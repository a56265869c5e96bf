"""Where an utterance comes from: samples, a file, or (see `microphone`) a microphone.

A source yields mono int16 blocks at its rate. What it was recorded with is kept, but never followed by digital
silence: recognisers judge silence by its noise, and no room has none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from earshot_audio import AudioError, read_wav
from earshot_device.errors import AudioInputError, UtteranceRefusedError

Samples = NDArray[np.int16]

NOISE_FLOOR_DBFS = -63.0
_FULL_SCALE = 32768.0


class AudioSource(Protocol):
    """A stream of one utterance."""

    @property
    def rate(self) -> int:
        """Samples a second."""
        ...

    @property
    def pre_roll_s(self) -> float:
        """How much of it lies before the trigger, in seconds."""
        ...

    @property
    def live(self) -> bool:
        """Whether it comes at its own pace (a microphone) or has to be paced."""
        ...

    def blocks(self) -> AsyncIterator[Samples]:
        """Yield blocks of any length, shape (n,); a live source goes on until it is closed."""
        ...

    def silence(self, count: int) -> Samples:
        """Return `count` samples of what is heard when nobody speaks, for after the end of a finite source."""
        ...


class NoiseFloor:
    """White noise of a given level, repeatable by its seed."""

    def __init__(self, level_dbfs: float = NOISE_FLOOR_DBFS, *, seed: int = 0) -> None:
        self._deviation = _FULL_SCALE * 10 ** (level_dbfs / 20)
        self._random = np.random.default_rng(seed)

    def samples(self, count: int) -> Samples:
        """Return `count` samples."""
        return np.rint(self._random.normal(0.0, self._deviation, count)).astype(np.int16)

    def under(self, samples: Samples) -> Samples:
        """Return samples with the noise added, limited to 16 bits."""
        mixed = samples.astype(np.int32) + self.samples(len(samples))
        limited: Samples = np.clip(mixed, -32768, 32767).astype(np.int16)
        return limited


class SampleSource:
    """Samples that are there already.

    Args:
        samples: Mono int16, shape (n,).
        rate: 8,000 to 48,000 Hz.
        pre_roll_s: Seconds of noise floor to put before them, as a device's pre-roll buffer would hold.
        noise: The floor that lies under the samples and goes on after them; None: the samples as they are, and digital
            silence after them.

    Raises:
        UtteranceRefusedError: The samples are not one-dimensional int16, or the rate is out of range; `empty_utterance`: there
            are none.
    """

    live = False

    def __init__(
        self, samples: Samples, rate: int, *, pre_roll_s: float = 0.2, noise: NoiseFloor | None = None
    ) -> None:
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise UtteranceRefusedError(f"samples must be mono int16, not {samples.dtype} of shape {samples.shape}")
        if not 8_000 <= rate <= 48_000:
            raise UtteranceRefusedError(f"rate must be 8,000 to 48,000 Hz, not {rate}")
        if not len(samples):
            raise UtteranceRefusedError("there is nothing to say: 0 samples", code="empty_utterance")
        self.rate = rate
        self.pre_roll_s = pre_roll_s
        self._samples = samples
        self._noise = noise

    async def blocks(self) -> AsyncIterator[Samples]:
        """Yield the pre-roll and the samples in blocks of 40 ms."""
        if self.pre_roll_s:
            yield self.silence(int(self.pre_roll_s * self.rate))
        size = self.rate // 25
        for begin in range(0, len(self._samples), size):
            block = self._samples[begin : begin + size]
            yield self._noise.under(block) if self._noise is not None else block

    def silence(self, count: int) -> Samples:
        """Return noise floor, or digital silence where the source has none."""
        return self._noise.samples(count) if self._noise is not None else np.zeros(count, np.int16)


def file_source(path: Path, *, pre_roll_s: float = 0.2, noise: NoiseFloor | None = None) -> SampleSource:
    """Return a WAV, FLAC or Ogg file as a source; several channels become their mean.

    Raises:
        AudioInputError: `unreadable_audio`: it can't be read as audio.
        UtteranceRefusedError: Its rate is out of range; `empty_utterance`: there is nothing in it.
    """
    samples, rate = read_recording(path)
    return SampleSource(samples, rate, pre_roll_s=pre_roll_s, noise=noise)


def read_recording(path: Path) -> tuple[Samples, int]:
    """Return the samples of a WAV, FLAC or Ogg file and their rate; several channels become their mean.

    Raises:
        AudioInputError: `unreadable_audio`: it can't be read as audio.
    """
    try:
        return read_wav(path)
    except (OSError, AudioError) as error:
        raise AudioInputError(f"{path.name} can't be read as audio: {error}", code="unreadable_audio") from error
