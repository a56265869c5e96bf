"""What a decoding process is told about a bundle, and what it answers about an utterance, as JSON and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Self

MODEL_FILE: Final = "model"
DICTIONARY_FILE: Final = "words.dict"
SUMMARY_FILE: Final = "bundle.json"
"""The files of a bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOrder:
    """Which files make a decoder.

    Attributes:
        key: Names the bundle in later frames.
        acoustic: The acoustic model's directory; empty: the bundled English one.
        model: Language model or grammar.
        grammar: Whether `model` is a grammar.
        dictionary: Pronunciations.
        search: The decoder's settings.
        calibration: Weights of acoustic score and posterior, and the offset; see `acoustic.Calibration`.
    """

    key: str
    acoustic: str
    model: str
    grammar: bool
    dictionary: str
    search: dict[str, float] = field(default_factory=dict)
    calibration: tuple[float, float, float] = (1.0, 0.0, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "key": self.key,
            "acoustic": self.acoustic,
            "model": self.model,
            "grammar": self.grammar,
            "dictionary": self.dictionary,
            "search": self.search,
            "calibration": list(self.calibration),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read it back."""
        acoustic, posterior, offset = value["calibration"]
        return cls(**{**value, "calibration": (acoustic, posterior, offset)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One word as the decoder gives it; times in seconds, confidence from 0 to 1."""

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of an utterance; only the best one has times."""

    words: tuple[str, ...]
    confidence: float
    heard: tuple[Heard, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "words": list(self.words),
            "confidence": self.confidence,
            "heard": [[heard.word, heard.start, heard.end, heard.confidence] for heard in self.heard],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read it back."""
        return cls(
            words=tuple(value["words"]),
            confidence=value["confidence"],
            heard=tuple(
                Heard(word=word, start=start, end=end, confidence=confidence)
                for word, start, end, confidence in value["heard"]
            ),
        )
