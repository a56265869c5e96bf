"""Places for words that only some talkers use: what a household calls its timers, lists, rooms.

A vocabulary is made from the skills' sentences, for everybody. Wherever a sentence has a value of a list, or a wildcard of
which no kind is known, it has a *place* besides: a word that nobody can say, `[name]` for the list `name`. For one
utterance, a household's own words are put there: each is one word, `sourdough_starter@name`, however many it is written in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

SHARE: Final = 0.05
"""How often what is said in a place is a household's own, where there are other values for it."""
_LIST: Final = re.compile(r"\w+", re.ASCII)
_PLACE: Final = re.compile(r"\[\w+\]", re.ASCII)
_MARK: Final = "@"
_JOINT: Final = "_"


def place(list_name: str) -> str | None:
    """Return the place of a list; None for a name that can not be one."""
    return f"[{list_name}]" if _LIST.fullmatch(list_name) else None


def is_place(word: str) -> bool:
    """Tell places from words."""
    return _PLACE.fullmatch(word) is not None


def own_word(list_name: str, words: Sequence[str]) -> str:
    """Return the one word that stands for a phrase of a household's own."""
    return f"{_JOINT.join(words)}{_MARK}{list_name}"


def stands_for(word: str) -> str:
    """Return the place that a household's own word is in; any other word itself."""
    _, mark, list_name = word.rpartition(_MARK)
    return f"[{list_name}]" if mark else word


def says(word: str) -> tuple[str, ...]:
    """Return the words of a household's own word; any other word alone."""
    phrase, mark, _ = word.rpartition(_MARK)
    return tuple(phrase.split(_JOINT)) if mark else (word,)
