"""What can be wrong with audio.

AudioError
├── UnsupportedFormatError   unsupported_encoding, unsupported_sample_rate, unsupported_channel_count
└── MalformedAudioError      odd_byte_count, malformed_opus, malformed_wav
"""

from __future__ import annotations


class AudioError(ValueError):
    """Audio can't be read or written; `code` is stable and snake_case."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class UnsupportedFormatError(AudioError):
    """A format that is not spoken here."""


class MalformedAudioError(AudioError):
    """Bytes that are not what their format says."""
