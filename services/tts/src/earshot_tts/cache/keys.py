"""What makes two cached sentences the same."""

from __future__ import annotations

from hashlib import sha256

from earshot_audio import Format
from earshot_tts.engines.base import EngineCapabilities, Voice


def cache_key(
    *, capabilities: EngineCapabilities, voice: Voice, locale: str, text: str, audio_format: Format, frame_ms: int
) -> str:
    """Return the SHA-256, in hex, of all that the frames of a sentence follow from; text is normalised."""
    parts = (
        capabilities.name,
        capabilities.revision,
        voice.name,
        locale,
        audio_format.encoding.value,
        str(audio_format.sample_rate_hertz),
        str(audio_format.channel_count),
        str(frame_ms),
        text,
    )
    return sha256("\0".join(parts).encode()).hexdigest()
