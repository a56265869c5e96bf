"""How English words are said: by the dictionary, by whom else is asked, by their parts, by rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from earshot_asr.vocabulary.dictionary import Phones
from earshot_asr.vocabulary.pronunciation.letters import by_rules, spelt_out

_VOICELESS: Final = {"P", "T", "K", "F", "TH"}
_HISSING: Final = {"S", "Z", "SH", "ZH", "CH", "JH"}
_SHORTEST_PART: Final = 3
_PRONOUNCEABLE: Final = re.compile(r"[aeiouyàáâãäåèéêëìíîïòóôõöøùúûüýÿ]")


class Lookup(Protocol):
    """A pronunciation dictionary."""

    def lookup(self, word: str) -> tuple[Phones, ...]:
        """Return the ways to say a word; none when it is not there."""
        ...


class EnglishPronouncer:
    """Finds a way to say every word that has Latin letters."""

    def __init__(self, dictionary: Lookup, told: Mapping[str, tuple[Phones, ...]] | None = None) -> None:
        """Make a pronouncer.

        Args:
            dictionary: Asked first.
            told: Words that the dictionary lacks, said by somebody who knows: asked before the rules.
        """
        self._dictionary = dictionary
        self._told = told or {}

    def unknown(self, words: Iterable[str]) -> list[str]:
        """Return the words that the dictionary lacks, sorted."""
        return sorted(word for word in set(words) if not self._dictionary.lookup(word))

    def __call__(self, word: str) -> tuple[Phones, ...]:
        """Return the ways to say a word, the likelier first; none without Latin letters."""
        return self._dictionary.lookup(word) or self._told.get(word, ()) or self._guess(word)

    def _guess(self, word: str) -> tuple[Phones, ...]:
        parts = [part for part in re.split(r"[-.]", word) if part]
        if len(parts) > 1:
            return self._joined(parts)
        if word.endswith("'s") or (word.endswith("s") and len(word) > _SHORTEST_PART and not word.endswith("ss")):
            stem = self._dictionary.lookup(word.removesuffix("'s") if word.endswith("'s") else word[:-1])
            if stem:
                return tuple((*way, *_plural(way)) for way in stem)
        plain = word.replace("'", "")
        if not _PRONOUNCEABLE.search(plain):
            return (spelt_out(plain),) if spelt_out(plain) else ()
        return self._compound(plain) or ((by_rules(plain),) if by_rules(plain) else ())

    def _compound(self, word: str) -> tuple[Phones, ...]:
        # The most even split is the likeliest: "playlist" is play + list, not p + laylist.
        middle = len(word) / 2
        splits = range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
        for position in sorted(splits, key=lambda split: abs(split - middle)):
            first, second = self._dictionary.lookup(word[:position]), self._dictionary.lookup(word[position:])
            if first and second:
                return ((*first[0], *second[0]),)
        return ()

    def _joined(self, parts: list[str]) -> tuple[Phones, ...]:
        ways = [self(part) for part in parts]
        return (tuple(phone for way in ways for phone in way[0]),) if all(ways) else ()


def _plural(phones: Phones) -> Phones:
    if phones[-1] in _HISSING:
        return ("AH", "Z")
    return ("S",) if phones[-1] in _VOICELESS else ("Z",)
