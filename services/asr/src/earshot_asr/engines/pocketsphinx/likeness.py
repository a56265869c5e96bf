"""How like each other two readings are, by their words or by how they sound.

One wrong word is all that a command of one word has. "thirty got" shares no word with "turn it up" and most of its sounds:
by sounds, what two searches make of a short command is as comparable as what they make of a long one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

_KIN: Final = {
    phone: number
    for number, phones in enumerate(
        (
            "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW",
            "P B",
            "T D",
            "K G",
            "F V",
            "TH DH",
            "S Z",
            "SH ZH CH JH",
            "M N NG",
            "L R W Y",
        )
    )
    for phone in phones.split()
}
"""ARPAbet's phones that are taken for each other more easily than for others."""
_COST_OF_KIN: Final = 0.5


def likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """Return from 0 to 1 how many of the words of two readings are the same, in order."""
    return _likeness(one, other, _differ)


def likeness_by_sounds(decoder: Any, one: Sequence[str], other: Sequence[str]) -> float:
    """Return from 0 to 1 how alike two readings sound; vowels are alike, and so are some consonants.

    Args:
        decoder: Its dictionary says how words sound.
        one: Words.
        other: Likewise.
    """
    return _likeness(_phones(decoder, one), _phones(decoder, other), _sound_different)


def _phones(decoder: Any, words: Sequence[str]) -> list[str]:
    # A word that is not in the dictionary is like itself only.
    return [phone for word in words for phone in (decoder.lookup_word(word) or word).split()]


def _differ(one: str, other: str) -> float:
    return float(one != other)


def _sound_different(one: str, other: str) -> float:
    if one == other:
        return 0.0
    return _COST_OF_KIN if one in _KIN and _KIN[one] == _KIN.get(other) else 1.0


def _likeness(one: Sequence[str], other: Sequence[str], cost: Callable[[str, str], float]) -> float:
    longest = max(len(one), len(other))
    return 1 - _edits(one, other, cost) / longest if longest else 1.0


def _edits(one: Sequence[str], other: Sequence[str], cost: Callable[[str, str], float]) -> float:
    row = [float(place) for place in range(len(other) + 1)]
    for place, first in enumerate(one, 1):
        diagonal, row[0] = row[0], float(place)
        for column, second in enumerate(other, 1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + cost(first, second)),
            )
    return row[-1]
