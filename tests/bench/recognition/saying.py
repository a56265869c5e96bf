"""Synthesised sentences: commands of the skills at hand, and speech that is for nobody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from support.engines import spoken

Half = Literal["tune", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """One sentence by one voice."""

    text: str
    locale: str
    voice: str

    def pcm(self) -> bytes:
        """Return it as 16 kHz PCM with a little silence around it."""
        return spoken(self.text, self.locale, voice=self.voice)


def commands(locale: str, half: Half) -> list[Saying]:
    """Return commands that every voice of the half says."""
    return _sayings(locale, half, half)


def other(locale: str, half: Half) -> list[Saying]:
    """Return what none of the skills understands."""
    return _sayings(locale, half, f"other_{half}")


def _sayings(locale: str, half: Half, key: str) -> list[Saying]:
    document: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("said.yaml").read_text("utf-8"))[locale]
    return [
        Saying(text=text, locale=locale, voice=voice) for voice in document["voices"][half] for text in document[key]
    ]
