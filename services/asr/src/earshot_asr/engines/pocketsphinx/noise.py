"""A noise floor under the audio: silence that is too clean upsets the decoder's models, which heard rooms.

The floor follows the talker: so many dB below the loudest tenth of a second, as in a quiet room, however softly somebody
speaks and however far the microphone is turned down. Silence at the ends is told by the same measure. Plain arrays do, and numpy would double the size of a decoding process.
"""

from __future__ import annotations

import math
import random
from array import array
from functools import cache, lru_cache
from operator import add, mul
from typing import Final

SILENCE_DBFS: Final = -63
"""The floor while there is nothing but silence: what a good microphone has."""
LEAST_DBFS: Final = -90
"""The floor under the softest speech: a sample's last bit."""
BELOW_SPEECH_DB: Final = 40
SOFTEST_DBFS: Final = -66
"""The loudest tenth of a second of the softest speech that is told from silence."""
SILENT_BELOW_DB: Final = 28
"""So much quieter than the loudest tenth of a second is silence, at the ends of an utterance."""
_MARGIN: Final = 3
"""Tenths of a second of silence at both ends."""
_FULL_SCALE: Final = 32768.0
_WINDOW_BYTES: Final = 3200
_NOISE_SAMPLES: Final = 40_009
_SEED: Final = 7


class Loudness:
    """How loud an utterance is, by tenths of a second; the same however its audio was cut into frames."""

    def __init__(self) -> None:
        self._energies: list[float] = []
        self._loudest = 0.0

    def measure(self, pcm: bytearray) -> None:
        """Take note of what has been added to an utterance's 16-bit samples."""
        while len(pcm) - (start := len(self._energies) * _WINDOW_BYTES) >= _WINDOW_BYTES:
            window = array("h", pcm[start : start + _WINDOW_BYTES])
            self._energies.append(sum(map(mul, window, window)) / len(window))
            self._loudest = max(self._loudest, self._energies[-1])

    def cut(self, pcm: bytes | bytearray) -> tuple[bytes, int]:
        """Return what is to be heard of an utterance, with the same silence at both ends of any.

        The mean of the whole utterance's cepstrum is what its sounds are compared with: seconds of silence around a
        few words move it away from speech, and short commands suffer most. Where there is too little, it is added.

        Args:
            pcm: The whole utterance, as it was measured.

        Returns:
            Samples, and the offset in bytes of the first; below 0 where silence was added. All where nothing is heard.
        """
        least = self._loudest / 10 ** (SILENT_BELOW_DB / 10)
        loud = [place for place, energy in enumerate(self._energies) if energy > least]
        if not loud:
            return bytes(pcm), 0
        start, end = (loud[0] - _MARGIN) * _WINDOW_BYTES, (loud[-1] + 1 + _MARGIN) * _WINDOW_BYTES
        return bytes(max(0, -start)) + pcm[max(0, start) : end] + bytes(max(0, end - len(pcm))), start

    @property
    def dbfs(self) -> float:
        """RMS of the loudest tenth of a second in dB below full scale; -96 for digital silence."""
        return 10 * math.log10(max(self._loudest, 0.25) / _FULL_SCALE**2)

    @property
    def floor_dbfs(self) -> int:
        """Level of the noise floor that suits it."""
        if self.dbfs < SOFTEST_DBFS:
            return SILENCE_DBFS
        return max(LEAST_DBFS, round(self.dbfs) - BELOW_SPEECH_DB)


def with_floor(pcm: bytes | bytearray, offset: int, level_dbfs: int) -> bytes:
    """Return 16-bit samples with white noise added, the same at the same offset of every utterance.

    Args:
        pcm: Whole samples.
        offset: The first sample's place in its utterance.
        level_dbfs: RMS of the noise in dB below full scale.
    """
    samples = array("h", pcm)
    noise = _noise(level_dbfs)
    start = offset % _NOISE_SAMPLES
    repeated = noise[start:] + noise * (len(samples) // _NOISE_SAMPLES + 1)
    try:
        return array("h", map(add, samples, repeated)).tobytes()
    except OverflowError:
        clipped = (max(-32768, min(32767, sample)) for sample in map(add, samples, repeated))
        return array("h", clipped).tobytes()


@cache
def _noise(level_dbfs: int) -> array[int]:
    amplitude = _FULL_SCALE * 10 ** (level_dbfs / 20)
    return array("h", (round(amplitude * value) for value in _unit_noise()))


@lru_cache(maxsize=1)
def _unit_noise() -> array[float]:
    generator = random.Random(_SEED)  # noqa: S311 - no secret
    return array("f", (generator.gauss(0, 1) for _ in range(_NOISE_SAMPLES)))
