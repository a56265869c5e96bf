"""Which engine a setting names. Adapters are imported when they are chosen: each may bring heavy libraries."""

from __future__ import annotations

from pathlib import Path

from earshot_tts.engines.base import Engine, EngineCapabilities, Voice
from earshot_tts.errors import EngineUnavailableError, SpeechError


def create(name: str, *, words_per_minute: int, recording: Path | None) -> Engine:
    """Return the named engine, not yet started.

    Args:
        name: "espeak-ng" or "recorded".
        words_per_minute: Speaking rate, for engines that have one.
        recording: What the recorded engine speaks with.

    Raises:
        EngineUnavailableError: There is none of that name, or a setting does not suit it.
    """
    if name == "espeak-ng":
        from earshot_tts.engines.espeak import EspeakEngine  # noqa: PLC0415

        return EspeakEngine(words_per_minute)
    if name == "recorded":
        from earshot_tts.engines.recorded import RecordedEngine  # noqa: PLC0415

        return RecordedEngine(recording)
    raise EngineUnavailableError(f"there is no speech engine {name!r}; there are espeak-ng and recorded")


def voice_for(capabilities: EngineCapabilities, locale: str, name: str = "") -> Voice:
    """Return the voice of that name, or the locale's default.

    Raises:
        SpeechError: unknown_locale: nothing speaks it. unknown_voice: the voice does not exist or not in this locale.
    """
    speaking = [voice for voice in capabilities.voices if locale in voice.locales]
    if not speaking:
        spoken = ", ".join(sorted(capabilities.locales))
        raise SpeechError(f"no voice speaks {locale[:35]!r}; there are {spoken}", code="unknown_locale")
    for voice in speaking:
        if name in ("", voice.name):
            return voice
    raise SpeechError(f"no voice {name[:64]!r} speaks {locale}", code="unknown_voice")
