"""From the voice's rate to the device's.

soxr, because speech that is made a thousand times quicker than it is heard need not mind the 30 ms of sound that soxr
holds back, and it takes a third of the time of libswresample (`earshot_audio.Resampler`, for audio that comes live).
"""

from __future__ import annotations

import numpy as np

from earshot_tts.engines.base import Samples

_EMPTY: Samples = np.empty(0, np.int16)


class SpeechResampler:
    """Resamples one sentence; keeps its filter's state between blocks.

    Args:
        from_hz: Rate of the samples that come.
        to_hz: Rate of those that go.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        import soxr  # noqa: PLC0415 - loads a shared library

        self._stream = None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16")

    def process(self, samples: Samples) -> Samples:
        """Return what samples, shape (n,), add at the new rate."""
        if self._stream is None:
            return samples
        resampled: Samples = self._stream.resample_chunk(samples)
        return resampled

    def flush(self) -> Samples:
        """Return the samples that were held back; the resampler can't be used afterwards."""
        if self._stream is None:
            return _EMPTY
        rest: Samples = self._stream.resample_chunk(_EMPTY, last=True)
        return rest
