"""Words, pairs of words, parts of words and sounds of a text as numbers, the same in every process."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from earshot_nlu.understanding.language import Language

_LONGEST_PART = 5
_SHORTEST_PART = 2


def grams(text: str, language: Language) -> Counter[int]:
    """Return how often each gram stands in a normalised text."""
    tokens = language.tokens(text)
    words = [token.text for token in tokens]
    found = Counter(_number(f"b {one} {other}") for one, other in zip(["<", *words], [*words, ">"], strict=True))
    if language.ignores_spaces:
        sounds = [token.sound for token in tokens]
        found.update(_number(f"t {''.join(words[at : at + 3])}") for at in range(len(words) - 2))
        found.update(_number(f"p {one} {other}") for one, other in pairwise(sounds))
    for token in tokens:
        found.update(_of_word(token.text, token.sound, in_parts=not language.ignores_spaces))
    return found


@lru_cache(maxsize=8192)
def _of_word(word: str, sound: str, *, in_parts: bool) -> tuple[int, ...]:
    found = [f"w {word}", *([f"s {sound}"] if sound else []), *(_parts(word) if in_parts else ())]
    return tuple(_number(gram) for gram in found)


def _parts(word: str) -> Iterable[str]:
    padded = f" {word} "
    for size in range(_SHORTEST_PART, _LONGEST_PART + 1):
        for at in range(max(1, len(padded) - size + 1)):
            yield f"c {padded[at : at + size]}"


def _number(gram: str) -> int:
    return crc32(gram.encode())


@dataclass(frozen=True, slots=True)
class GramTable:
    """The grams that a model knows, with how telling each is.

    Attributes:
        rows: Where each stands.
        telling: Inverse document frequencies, by row.
    """

    rows: dict[int, int]
    telling: NDArray[np.float32]

    @classmethod
    def of(cls, counted: Sequence[Counter[int]], *, least: int = 1) -> GramTable:
        """Return the table of the grams that stand in at least so many texts."""
        documents = Counter(gram for one in counted for gram in one)
        kept = sorted(gram for gram, number in documents.items() if number >= least)
        telling = [math.log((1 + len(counted)) / (1 + documents[gram])) + 1 for gram in kept]
        return cls({gram: row for row, gram in enumerate(kept)}, np.array(telling, np.float32))

    def weigh(self, counted: Counter[int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the rows of a text's known grams and their weights, of length 1 together."""
        known = sorted((self.rows[gram], number) for gram, number in counted.items() if gram in self.rows)
        if not known:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        rows = np.array([row for row, _ in known], np.int64)
        weights = (1 + np.log(np.array([number for _, number in known], np.float32))) * self.telling[rows]
        return rows, weights / np.linalg.norm(weights)
