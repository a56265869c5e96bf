"""Cutting written text into the words that are said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

SpellNumber = Callable[[float], str]
"""How a number is said."""

_SYMBOLS: Final = {"&": "and", "%": "percent", "+": "plus", "@": "at", "°": "degrees", "=": "equals"}
_APOSTROPHES: Final = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'"})
# An abbreviation with its dots, a number, a word with apostrophes and hyphens inside, or a symbol that is said.
_ENGLISH: Final = re.compile(
    r"(?:[^\W\d_]\.){2,}|\d+(?:\.\d+)?|'?[^\W\d_]+(?:['\-][^\W\d_]+)*'?|[&%+@°=]",
)
_HAN: Final = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_MANDARIN: Final = re.compile(rf"(?P<han>[{_HAN}]+)|(?P<number>\d+(?:\.\d+)?)(?P<percent>[%％])?|(?P<latin>[A-Za-z']+)")
_HAN_CHARACTER: Final = re.compile(rf"[{_HAN}]")


class English:
    """Words of languages with spaces, in lower case; remembers how each is mostly written."""

    def __init__(self, spell: SpellNumber) -> None:
        """Make a tokeniser that says numbers by `spell`."""
        self._spell = spell
        self._written: dict[str, Counter[str]] = {}
        # Templates repeat the same stretches.
        self._cut: dict[str, tuple[str, ...]] = {}

    def __call__(self, text: str) -> Sequence[str]:
        """Cut text into words: "7:30 A.M., o'clock" is seven, thirty, a.m., o'clock."""
        words = self._cut.get(text)
        if words is None:
            words = self._cut[text] = tuple(self._cut_anew(text))
        return words

    def _cut_anew(self, text: str) -> list[str]:
        words: list[str] = []
        for found in _ENGLISH.findall(text.translate(_APOSTROPHES)):
            if found[0].isdigit():
                words.extend(self._spell(float(found) if "." in found else int(found)).replace("-", " ").split())
            elif found in _SYMBOLS:
                words.append(_SYMBOLS[found])
            else:
                word = found.lower()
                self._written.setdefault(word, Counter())[found] += 1
                words.append(word)
        return words

    def spellings(self) -> dict[str, str]:
        """Return how words are written, for those that are mostly not written in lower case."""
        mostly = ((word, counts.most_common(1)[0][0]) for word, counts in self._written.items())
        return {word: spelling for word, spelling in mostly if word != spelling}


class Mandarin:
    """Words of Mandarin, as a segmenter finds them in stretches of Chinese characters."""

    def __init__(self, spell: SpellNumber, segment: Callable[[str], Sequence[str]]) -> None:
        """Make a tokeniser.

        Args:
            spell: Says numbers in Chinese characters.
            segment: Cuts Chinese characters into words.
        """
        self._spell = spell
        self._segment = segment

    def __call__(self, text: str) -> Sequence[str]:
        """Cut text into words: "放点jazz，音量50%" is 放 点 jazz 音量 百分之 五十."""
        words: list[str] = []
        for found in _MANDARIN.finditer(text):
            if found["han"]:
                words.extend(self._segment(found["han"]))
            elif found["number"]:
                number = found["number"]
                said = self._spell(float(number) if "." in number else int(number))
                words.extend(self._segment(f"百分之{said}" if found["percent"] else said))
            else:
                words.append(found["latin"].lower())
        return words


def join(words: Sequence[str], spellings: dict[str, str] | None = None) -> str:
    """Return words as one text: spaces between them, but none beside Chinese characters."""
    text = ""
    for word in words:
        written = (spellings or {}).get(word, word)
        if text and not (_HAN_CHARACTER.match(text[-1]) or _HAN_CHARACTER.match(written[0])):
            text += " "
        text += written
    return text
