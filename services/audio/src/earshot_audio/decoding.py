"""Frames from the wire to mono samples.

A decoder of raw Opus packets knows no container that would tell it the encoder's look-ahead (pre-skip), so it skips
what libopus encoders add unless they are told to be low-delay: 6.5 ms. Offsets into the decoded audio are then offsets
into what the microphone heard. The decoder itself works at 48 kHz, whatever the packets hold; the resampler that
follows holds back 0.3 ms.
"""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

from earshot_audio.errors import MalformedAudioError
from earshot_audio.formats import Encoding, Format
from earshot_audio.resampling import resample

OPUS_DECODER_RATE = 48_000
OPUS_PRE_SKIP = 312
"""Look-ahead of a libopus encoder, in samples at 48 kHz."""
MAXIMUM_OPUS_PACKET = 1275 * 6
"""Bytes: six frames of the largest size, which is the longest packet of 120 ms."""

_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)


class FrameDecoder:
    """Decodes the frames of one stream, in order, into mono int16 at the format's rate.

    Two channels become their mean.
    """

    def __init__(self, audio_format: Format) -> None:
        self.format = audio_format
        self._opus = _OpusDecoder(audio_format.sample_rate_hertz) if audio_format.encoding is Encoding.OPUS else None

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


class _OpusDecoder:
    def __init__(self, rate: int) -> None:
        # Opened as mono, libopus mixes stereo packets down itself.
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.sample_rate = OPUS_DECODER_RATE
        self._codec.layout = "mono"
        self._codec.open()
        self._skip = OPUS_PRE_SKIP * rate // OPUS_DECODER_RATE
        self._resampler = (
            None if rate == OPUS_DECODER_RATE else av.AudioResampler(format="s16", layout="mono", rate=rate)
        )

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        # An empty packet would tell the codec that the stream has ended.
        if not payload or len(payload) > MAXIMUM_OPUS_PACKET:
            message = f"{len(payload)} bytes are no Opus packet"
            raise MalformedAudioError(message, code="malformed_opus")
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.error.FFmpegError as error:
            raise MalformedAudioError("not an Opus packet", code="malformed_opus") from error
        blocks = []
        for frame in frames:
            if self._resampler is None:
                blocks.append(frame.to_ndarray()[0])
            else:
                frame.pts = None
                blocks.append(resample(self._resampler, frame))
        samples = blocks[0] if len(blocks) == 1 else np.concatenate([_EMPTY, *blocks])
        if self._skip:
            skipped = min(self._skip, len(samples))
            self._skip -= skipped
            samples = samples[skipped:]
        return samples

    def flush(self) -> NDArray[np.int16]:
        return resample(self._resampler, None) if self._resampler is not None else _EMPTY
