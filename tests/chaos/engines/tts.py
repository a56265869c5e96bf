"""A voice whose every frame tells which sentence it is of and where it stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chaos.codewords import LOCALES
from chaos.sounding import RATE, speak
from earshot_tts.engines.base import EngineCapabilities, Sink, Voice
from earshot_tts.errors import EngineError

_NAME: Final = "cells"


class CellEngine:
    """See `earshot_tts.engines.base.Engine`."""

    @property
    def capabilities(self) -> EngineCapabilities:
        return EngineCapabilities(
            name=_NAME,
            revision="1",
            voices=(Voice(name=_NAME, locales=LOCALES, sample_rate_hertz=RATE),),
            deterministic=True,
            phonemes=False,
        )

    def start(self) -> None:
        """Nothing is loaded."""

    def stop(self) -> None:
        """Nothing is held."""

    def synthesise(self, text: str, voice: Voice, sink: Sink) -> None:  # noqa: ARG002 - there is one
        try:
            for cell in speak(text):
                if not sink(cell):
                    return
        except ValueError as error:
            raise EngineError(str(error), code="sentence_too_long") from error

    def phonemise(self, words: Sequence[str], voice: Voice) -> list[list[str]]:
        raise EngineError(f"voice {voice.name} has no phonemes for {len(words)} word(s)", code="phonemes_unsupported")
