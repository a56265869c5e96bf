"""What the service asks of an engine.

An engine is blocking: the service calls it from its own threads, never from the event loop, so an adapter is free to
be a C library that holds a lock or an HTTP client. It may be called from several threads; an engine with one
synthesiser a process serialises the calls itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
Sink = Callable[[Samples], bool]
"""Takes the next mono samples, shape (n,), at the voice's rate; False: stop, nobody listens any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A voice.

    Attributes:
        name: Unique within the engine.
        locales: BCP-47 locales that it speaks.
        sample_rate_hertz: Its native rate.
    """

    name: str
    locales: tuple[str, ...]
    sample_rate_hertz: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCapabilities:
    """What an engine is and can do.

    Attributes:
        name: "espeak-ng".
        revision: Changes whenever the same text may sound different; part of the cache's key.
        voices: Every voice; the first of a locale is the locale's default.
        deterministic: Whether the same text gives the same samples, on every worker, so that another can go on in
            the middle of a sentence.
        phonemes: Whether `phonemise` works.
    """

    name: str
    revision: str
    voices: tuple[Voice, ...]
    deterministic: bool
    phonemes: bool

    @property
    def locales(self) -> tuple[str, ...]:
        """Every locale that some voice speaks, in the voices' order."""
        return tuple(dict.fromkeys(locale for voice in self.voices for locale in voice.locales))


class Engine(Protocol):
    """Speaks. Every method blocks."""

    @property
    def capabilities(self) -> EngineCapabilities:
        """What it can do; known after `start`."""

    def start(self) -> None:
        """Load what it needs.

        Raises:
            EngineUnavailableError: Something is missing; the message says what.
        """

    def stop(self) -> None:
        """Release everything; idempotent."""

    def synthesise(self, text: str, voice: Voice, sink: Sink) -> None:
        """Speak one sentence of normalised text; returns when the sink has had all of it, or has said stop.

        The sink gets the first samples as soon as there are any. A sink that says stop is obeyed within 100 ms.

        Raises:
            EngineError: It failed.
        """

    def phonemise(self, words: Sequence[str], voice: Voice) -> list[list[str]]:
        """Return each word's pronunciation in IPA, one phoneme an entry, stress marks included.

        Raises:
            EngineError: It failed, or has no phonemes.
        """
