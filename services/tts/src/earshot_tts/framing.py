"""How long a frame sounds. Pure."""

from __future__ import annotations

from earshot_audio import Encoding, Format

_BYTES_PER_SAMPLE = 2


def duration_s(payload: bytes, audio_format: Format, frame_ms: int) -> float:
    """Return a frame's length: an Opus frame's is fixed, the last PCM frame of a sentence may be shorter."""
    if audio_format.encoding is Encoding.OPUS:
        return frame_ms / 1000
    return len(payload) / (_BYTES_PER_SAMPLE * audio_format.channel_count * audio_format.sample_rate_hertz)
