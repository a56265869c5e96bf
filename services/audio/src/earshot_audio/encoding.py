"""Mono samples to frames for the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earshot_audio.formats import Encoding, Format

if TYPE_CHECKING:
    from earshot_audio.opus import OpusEncoder

FRAME_MILLISECONDS = (10, 20, 40, 60)
DEFAULT_OPUS_BIT_RATE = 24_000
DEFAULT_OPUS_COMPLEXITY = 3
"""0 to 10. At 3 a 20 ms frame costs about 0.1 ms; at 10 twice that, for a difference that speech does not show."""

_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)


class FrameEncoder:
    """Cuts a stream of mono int16 samples at the format's rate into encoded frames of one length.

    Two channels both get the samples.

    Raises:
        ValueError: frame_ms is not 10, 20, 40 or 60.
    """

    def __init__(
        self,
        audio_format: Format,
        frame_ms: int = 20,
        *,
        bit_rate: int = DEFAULT_OPUS_BIT_RATE,
        complexity: int = DEFAULT_OPUS_COMPLEXITY,
    ) -> None:
        if frame_ms not in FRAME_MILLISECONDS:
            message = f"frames last 10, 20, 40 or 60 ms, not {frame_ms}"
            raise ValueError(message)
        self.format = audio_format
        self.frame_ms = frame_ms
        self.samples_per_frame = audio_format.sample_rate_hertz * frame_ms // 1000
        self._pending = _EMPTY
        self._opus = (
            _opus(audio_format, frame_ms, bit_rate, complexity) if audio_format.encoding is Encoding.OPUS else None
        )

    def encode(self, samples: NDArray[np.int16]) -> list[bytes]:
        """Return the frames that are complete with `samples` (shape (n,)); the rest waits for the next call."""
        pending = np.concatenate([self._pending, samples]) if len(self._pending) else samples
        size = self.samples_per_frame
        whole = len(pending) - len(pending) % size
        self._pending = pending[whole:].copy()
        return [self._frame(pending[start : start + size]) for start in range(0, whole, size)]

    def flush(self) -> list[bytes]:
        """Return the frames of the samples that wait; the encoder can't be used afterwards.

        The last PCM frame is as short as what is left. The last Opus frame is filled with silence, and one more
        follows where the encoder's look-ahead would otherwise swallow the end.
        """
        pending, self._pending = self._pending, _EMPTY
        if self._opus is None:
            return [self._frame(pending)] if len(pending) else []
        pending = np.concatenate([pending, np.zeros(self._opus.look_ahead, np.int16)])
        size = self.samples_per_frame
        padded = np.pad(pending, (0, -len(pending) % size))
        return [self._frame(padded[start : start + size]) for start in range(0, len(padded), size)]

    def _frame(self, samples: NDArray[np.int16]) -> bytes:
        if self.format.channel_count == 2:
            samples = np.repeat(samples, 2)
        if self._opus is not None:
            return self._opus.packet(samples)
        return samples.astype("<i2", copy=False).tobytes()


def _opus(audio_format: Format, frame_ms: int, bit_rate: int, complexity: int) -> OpusEncoder:
    from earshot_audio.opus import OpusEncoder  # noqa: PLC0415 - loads FFmpeg's libraries

    return OpusEncoder(audio_format, frame_ms, bit_rate, complexity)
