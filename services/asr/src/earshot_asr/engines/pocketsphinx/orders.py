"""What a decoding process is told about a bundle, and what it answers about an utterance, as JSON and back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

MODEL_FILE: Final = "model"
LIKELIEST_FILE: Final = "likeliest.json"
SENTENCES_FILE: Final = "sentences.json"
GRAMMAR_FILE: Final = "sentences.fsg"
DICTIONARY_FILE: Final = "words.dict"
SUMMARY_FILE: Final = "bundle.json"
"""The files of a bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOrder:
    """Which files make a decoder.

    Attributes:
        key: Names the bundle in later frames.
        acoustic: The acoustic model's directory; empty: the bundled English one.
        model: Language model.
        likeliest: What the likeliest words of the language model are worth; empty: not known.
        sentences: What a whole sentence is; empty: not known.
        sentences_grammar: A closed grammar of the sentences; empty: there is none.
        dictionary: Pronunciations.
        search: The decoder's settings.
        sentences_search: Those of the search for a whole sentence.
        sentences_first: Whether a whole sentence is searched for in any case, and not only where the likeliest words are none.
        fit_scale: What logarithms of how well words fit the sound are multiplied by.
        calibration: Weights of the evidence for a reading; see `evidence`.
        kind: How words are made; see `languages`. With what follows it is for words that one utterance brings along.
        locale: BCP-47.
        words: The whole dictionary of the acoustic model; empty: there are no words but those of the bundle.
    """

    key: str
    acoustic: str
    model: str
    dictionary: str
    likeliest: str = ""
    sentences: str = ""
    sentences_grammar: str = ""
    search: dict[str, float] = field(default_factory=dict)
    sentences_search: dict[str, float] = field(default_factory=dict)
    sentences_first: bool = False
    fit_scale: float = 1.0
    calibration: dict[str, float] = field(default_factory=dict)
    kind: str = ""
    locale: str = ""
    words: str = ""

    def with_files(self, *, model: str, dictionary: str) -> Self:
        """Return the order with another model and the dictionary for it."""
        return replace(self, model=model, dictionary=dictionary)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "key": self.key,
            "acoustic": self.acoustic,
            "model": self.model,
            "likeliest": self.likeliest,
            "sentences": self.sentences,
            "sentences_grammar": self.sentences_grammar,
            "dictionary": self.dictionary,
            "search": self.search,
            "sentences_search": self.sentences_search,
            "sentences_first": self.sentences_first,
            "fit_scale": self.fit_scale,
            "calibration": self.calibration,
            "kind": self.kind,
            "locale": self.locale,
            "words": self.words,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read it back."""
        return cls(**value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One word as the decoder gives it; times in seconds, confidence from 0 to 1."""

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of an utterance; only the best one has times, and the evidence that its confidence comes from."""

    words: tuple[str, ...]
    confidence: float
    heard: tuple[Heard, ...] = ()
    evidence: dict[str, float] = field(default_factory=dict)

    def later(self, seconds: float, length: float) -> Self:
        """Return it with its words so much later, none outside the utterance."""

        def place(at: float) -> float:
            return min(max(0.0, at + seconds), length)

        moved = (replace(heard, start=place(heard.start), end=place(heard.end)) for heard in self.heard)
        return replace(self, heard=tuple(moved))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "words": list(self.words),
            "confidence": self.confidence,
            "heard": [[heard.word, heard.start, heard.end, heard.confidence] for heard in self.heard],
            "evidence": self.evidence,
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
            evidence=value["evidence"],
        )
