"""A transducer's tokens: what they tell about the model, and words made of them.

A token is a Chinese character, or a piece of a word; the first piece of a word begins with the mark "▁", which the
library hands over as a space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

WORD_MARK: Final = "▁"
_SPECIAL: Final = re.compile(r"^(<.*>|#\d+|\[.*\])$")
_HAN: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_LOWER: Final = re.compile(r"[a-z]")
_UPPER: Final = re.compile(r"[A-Z]")
_LAST_S: Final = 0.2
"""How long a word goes on after its last token, if nothing follows at once."""


class Unit(StrEnum):
    """What tokens are, in the library's words."""

    CHARACTERS = "cjkchar"
    PIECES = "bpe"
    BOTH = "cjkchar+bpe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a model's list of tokens tells.

    Attributes:
        unit: Characters, pieces of words, or both.
        characters: The Chinese characters that it can write.
        upper: Whether it writes Latin letters in capitals alone.
    """

    unit: Unit
    characters: frozenset[str]
    upper: bool

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `tokens.txt`: a token and its number a line.

        Raises:
            OSError: It can't be read.
            ValueError: It is no such list.
        """
        lines = path.read_text(encoding="utf-8").splitlines()
        tokens = [line.rsplit(maxsplit=1) for line in lines if line.strip()]
        if not tokens or not all(parts[-1].isdecimal() for parts in tokens):
            raise ValueError("is no list of tokens and their numbers")
        words = [parts[0] for parts in tokens if len(parts) > 1 and not _SPECIAL.match(parts[0])]
        han = frozenset(word for word in words if len(word) == 1 and _HAN.match(word))
        latin = "".join(word for word in words if not _HAN.search(word))
        unit = (Unit.BOTH if _has_letters(latin) else Unit.CHARACTERS) if han else Unit.PIECES
        return cls(unit=unit, characters=han, upper=bool(_UPPER.search(latin)) and not _LOWER.search(latin))

    def locales(self) -> tuple[str, ...]:
        """Return the locales that it seems to be for."""
        return (
            *(("en-US",) if self.unit is not Unit.CHARACTERS else ()),
            *(("zh-CN",) if self.characters else ()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word; seconds, probability from 0 to 1."""

    text: str
    start: float
    end: float
    probability: float

    def to_json(self) -> list[Any]:
        """Return it as JSON values."""
        return [self.text, self.start, self.end, self.probability]


def words_of(tokens: Sequence[str], times: Sequence[float], probabilities: Sequence[float]) -> tuple[Word, ...]:
    """Join tokens to words: pieces to the word that they belong to, each Chinese character for itself.

    Args:
        tokens: As the library gives them, a space before the first piece of a word.
        times: Seconds of each.
        probabilities: Of each, from 0 to 1.
    """
    groups: list[list[int]] = []
    for index, token in enumerate(tokens):
        text = token.strip()
        if not text:
            continue
        alone = bool(_HAN.match(text))
        before = tokens[groups[-1][-1]].strip() if groups else ""
        if groups and not alone and not token.startswith((" ", WORD_MARK)) and not _HAN.match(before):
            groups[-1].append(index)
        else:
            groups.append([index])
    starts = [times[group[0]] for group in groups] + [float("inf")]
    return tuple(
        Word(
            text="".join(tokens[index].strip().lstrip(WORD_MARK) for index in group),
            start=times[group[0]],
            end=min(times[group[-1]] + _LAST_S, max(starts[number + 1], times[group[-1]])),
            probability=min(probabilities[index] for index in group),
        )
        for number, group in enumerate(groups)
    )


def _has_letters(text: str) -> bool:
    return bool(_LOWER.search(text) or _UPPER.search(text))
