"""What a decoding process is told: its model at its start, hot words for the streams that begin later."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class RecogniserOrder:
    """Which model, and how it searches.

    Attributes:
        encoder: Path, as the next three.
        decoder: Path.
        joiner: Path.
        tokens: Path.
        pieces: Path; empty: the model has none.
        kind: Kind of the encoder.
        unit: What hot words are written in; empty: there are none, and the search is greedy.
        hot_word_score: What a token of a hot word is worth, in nats.
        chunk_frames: Frames that the encoder takes at once.
        window_frames: Frames that it looks at for a chunk.
        threads: Threads of the network.
        silence_s: Silence after words that ends a segment.
        no_speech_s: Silence without words that does.
        longest_s: Longest segment.
    """

    encoder: str
    decoder: str
    joiner: str
    tokens: str
    pieces: str
    kind: str
    unit: str
    hot_word_score: float
    chunk_frames: int
    window_frames: int
    threads: int
    silence_s: float
    no_speech_s: float
    longest_s: float

    def to_argument(self) -> str:
        """Return it as one argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> Self:
        """Read it back."""
        return cls(**json.loads(argument))


OWN: Final = "own"
"""What an utterance's own hot words stand under where it is opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HotWordsOrder:
    """Phrases that streams of a key are told of; see `workers.process.Order`."""

    phrases: tuple[str, ...]

    @property
    def key(self) -> str:
        """Names them: the same phrases have the same key."""
        return hashlib.sha256("\n".join(self.phrases).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"key": self.key, "phrases": list(self.phrases)}
