"""Opus through FFmpeg, which is loaded where there is a stream of it: 50 ms and 15 MB that PCM goes without.

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
from earshot_audio.formats import Format
from earshot_audio.resampling import resample

OPUS_DECODER_RATE = 48_000
OPUS_PRE_SKIP = 312
"""Look-ahead of a libopus encoder, in samples at 48 kHz."""
MAXIMUM_OPUS_PACKET = 1275 * 6
"""Bytes: six frames of the largest size, which is the longest packet of 120 ms."""

_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)


class OpusDecoder:
    """Decodes one stream's packets into mono int16.

    Args:
        rate: Of the samples.
    """

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
        """Return the samples of one packet, shape (n,).

        Raises:
            MalformedAudioError: It is none (`malformed_opus`). The decoder stays usable.
        """
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
        """Return the samples that were held back; it can't be used afterwards."""
        return resample(self._resampler, None) if self._resampler is not None else _EMPTY


class OpusEncoder:
    """Encodes one stream's frames, of one length each.

    Attributes:
        look_ahead: Samples that the encoder holds back.
    """

    def __init__(self, audio_format: Format, frame_ms: int, bit_rate: int, complexity: int) -> None:
        self._layout = "mono" if audio_format.channel_count == 1 else "stereo"
        self._rate = audio_format.sample_rate_hertz
        self.look_ahead = OPUS_PRE_SKIP * self._rate // OPUS_DECODER_RATE
        self._codec = av.CodecContext.create("libopus", "w")
        self._codec.sample_rate = self._rate
        self._codec.layout = self._layout
        self._codec.format = "s16"
        self._codec.bit_rate = bit_rate
        self._codec.options = {
            "application": "audio",
            "compression_level": str(complexity),
            "frame_duration": str(frame_ms),
        }
        self._codec.open()

    def packet(self, samples: NDArray[np.int16]) -> bytes:
        """Return the packet of a frame; two channels are interleaved."""
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=self._layout)
        frame.sample_rate = self._rate
        # libopus holds samples back but not packets: one frame in is one packet out.
        (packet,) = self._codec.encode(frame)
        return bytes(packet)
