"""Frames from the wire to mono samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earshot_audio.errors import MalformedAudioError
from earshot_audio.formats import Encoding, Format

if TYPE_CHECKING:
    from earshot_audio.opus import OpusDecoder

_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)


class FrameDecoder:
    """Decodes the frames of one stream, in order, into mono int16 at the format's rate.

    Two channels become their mean.
    """

    def __init__(self, audio_format: Format) -> None:
        self.format = audio_format
        self._opus = _opus(audio_format.sample_rate_hertz) if audio_format.encoding is Encoding.OPUS else None

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """Return the samples of one frame, shape (n,); read-only for LINEAR16, which is not copied.

        Raises:
            MalformedAudioError: The payload is empty, is no Opus packet (`malformed_opus`), or does not hold whole
                samples of every channel (`odd_byte_count`). The decoder stays usable.
        """
        if self._opus is not None:
            return self._opus.decode(payload)
        if not payload or len(payload) % (2 * self.format.channel_count):
            message = f"{len(payload)} bytes are not whole 16-bit samples of {self.format.channel_count} channel(s)"
            raise MalformedAudioError(message, code="odd_byte_count")
        samples: NDArray[np.int16] = np.frombuffer(payload, "<i2")
        if self.format.channel_count == 1:
            return samples
        mean: NDArray[np.int16] = samples.reshape(-1, 2).mean(axis=1).astype(np.int16)
        return mean

    def flush(self) -> NDArray[np.int16]:
        """Return the samples that the decoder held back (under 1 ms); it can't be used afterwards."""
        return self._opus.flush() if self._opus is not None else _EMPTY


def _opus(rate: int) -> OpusDecoder:
    from earshot_audio.opus import OpusDecoder  # noqa: PLC0415 - loads FFmpeg's libraries

    return OpusDecoder(rate)
