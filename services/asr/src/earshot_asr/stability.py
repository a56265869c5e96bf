"""How likely an interim transcript is to stay."""

from __future__ import annotations

from itertools import takewhile


class Stability:
    """Compares each interim transcript of an utterance with the one before."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = ""

    def of(self, transcript: str) -> float:
        """Return the share of the transcript that was there the last time, 0 to 1: what has stayed once tends to."""
        kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._before, transcript, strict=False)))
        self._before = transcript
        return kept / len(transcript) if transcript else 0.0
