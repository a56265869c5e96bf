"""The formats that audio travels in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from earshot_audio.errors import UnsupportedFormatError

MINIMUM_SAMPLE_RATE = 8_000
MAXIMUM_SAMPLE_RATE = 48_000
OPUS_SAMPLE_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""The rates that an Opus decoder can be opened with (RFC 6716)."""


class Encoding(StrEnum):
    """How samples are coded."""

    LINEAR16 = "linear16"
    """Signed 16-bit little-endian PCM, interleaved."""
    OPUS = "opus"
    """One raw Opus packet a frame, no container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What every frame of one stream of audio has in common; can't be made with values that are not supported.

    Raises:
        UnsupportedFormatError: Unknown encoding, a rate outside 8,000 to 48,000 Hz (for Opus: not one of its five), or
            more than two channels.
    """

    encoding: Encoding
    sample_rate_hertz: int
    channel_count: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.encoding, Encoding):
            message = f"unsupported encoding: {str(self.encoding)[:40]!r}"
            raise UnsupportedFormatError(message, code="unsupported_encoding")
        if not self._rate_is_supported():
            message = f"unsupported sample rate: {self.sample_rate_hertz} Hz"
            raise UnsupportedFormatError(message, code="unsupported_sample_rate")
        if self.channel_count not in {1, 2}:
            message = f"unsupported channel count: {self.channel_count}"
            raise UnsupportedFormatError(message, code="unsupported_channel_count")

    def _rate_is_supported(self) -> bool:
        if self.encoding is Encoding.OPUS:
            return self.sample_rate_hertz in OPUS_SAMPLE_RATES
        return MINIMUM_SAMPLE_RATE <= self.sample_rate_hertz <= MAXIMUM_SAMPLE_RATE
