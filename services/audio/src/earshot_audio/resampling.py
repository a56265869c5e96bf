"""Changing the rate of a stream, block by block.

libswresample, because it holds back 1 ms where soxr's streams hold back 20 to 40 ms: on the way to an endpoint every
millisecond is one that the user waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler


class Resampler:
    """Resamples mono 16-bit audio from one rate to another; keeps its filter's state between blocks.

    All blocks and the flush together are as long as the input, to one sample, and in phase with it.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz = from_hz
        if from_hz == to_hz:
            self._context: AudioResampler | None = None
            return
        import av  # noqa: PLC0415 - loads FFmpeg's libraries

        self._context = av.AudioResampler(format="s16", layout="mono", rate=to_hz)
        self._frame = av.AudioFrame.from_ndarray

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return what `samples` (shape (n,)) adds at the new rate; about 16 input samples are held back."""
        if self._context is None or not len(samples):
            return samples
        frame = self._frame(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._from_hz
        return resample(self._context, frame)

    def flush(self) -> NDArray[np.int16]:
        """Return the samples that were held back; the resampler can't be used afterwards."""
        return np.empty(0, np.int16) if self._context is None else resample(self._context, None)


def resample(context: AudioResampler, frame: AudioFrame | None) -> NDArray[np.int16]:
    """Push one frame through a mono resampler (None: flush) and return what came out, shape (n,)."""
    blocks = [block.to_ndarray()[0] for block in context.resample(frame)]
    if len(blocks) == 1:
        return blocks[0]  # type: ignore[no-any-return]
    return np.concatenate(blocks) if blocks else np.empty(0, np.int16)
