"""A noise floor under the audio: digital silence and gated microphones upset the decoder's model of silence."""

from __future__ import annotations

from typing import Final

import numpy as np

_SECONDS: Final = 4
_SEED: Final = 7


class NoiseFloor:
    """The same noise at the same offset of every utterance, so that results can be repeated."""

    def __init__(self, level_dbfs: float) -> None:
        """Make some seconds of white noise of a level in dB below full scale (RMS)."""
        amplitude = 32768 * 10 ** (level_dbfs / 20)
        noise = np.random.default_rng(_SEED).normal(0.0, amplitude, 16_000 * _SECONDS)
        self._noise = noise.round().astype(np.int32)

    def add(self, pcm: bytes, offset: int) -> bytes:
        """Return 16-bit samples with the noise added; `offset` is the first one's place in its utterance."""
        samples = np.frombuffer(pcm, dtype="<i2")
        start = offset % len(self._noise)
        noise = np.take(self._noise, range(start, start + len(samples)), mode="wrap")
        return np.clip(samples + noise, -32768, 32767).astype("<i2").tobytes()
