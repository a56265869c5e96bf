"""How Mandarin words are said, for the two acoustic models that can hear them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from earshot_asr.vocabulary.dictionary import Phones
from earshot_asr.vocabulary.pronunciation.english import Lookup
from earshot_asr.vocabulary.pronunciation.pinyin import to_cmu_mandarin, word_to_arpabet

_LATIN: Final = re.compile(r"^[a-z'.\-]+$")

Syllables = Callable[[str], list[str]]
"""Reads a word of Chinese characters as pinyin without tones, with v for ü."""


def syllables(word: str) -> list[str]:
    """Return pinyin without tones; characters within a known phrase are read as in that phrase."""
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415 - loads 40 MB of tables

    return lazy_pinyin(word, style=Style.NORMAL, v_to_u=False, errors="ignore")


@lru_cache(maxsize=8192)
def phrases(text: str) -> tuple[str, ...]:
    """Cut Chinese characters into the phrases whose reading is known, and single characters."""
    from pypinyin.seg.mmseg import seg  # noqa: PLC0415 - likewise

    return tuple(seg.cut(text))


class OnEnglishModel:
    """Words as the English acoustic model may hear them; English words among them as English."""

    def __init__(self, english: Callable[[str], tuple[Phones, ...]], read: Syllables = syllables) -> None:
        """Make a pronouncer; `english` says words in Latin letters, `read` reads characters."""
        self._english = english
        self._read = read

    def __call__(self, word: str) -> tuple[Phones, ...]:
        """Return the ways to hear a word; none for what can not be read."""
        if _LATIN.match(word):
            return self._english(word)
        return word_to_arpabet(self._read(word))


class OnMandarinModel:
    """Words as CMU's Mandarin acoustic model hears them; words in Latin letters it can not hear."""

    def __init__(self, dictionary: Lookup, read: Syllables = syllables) -> None:
        """Make a pronouncer; `dictionary` is the model's own, `read` reads characters that it lacks."""
        self._dictionary = dictionary
        self._read = read

    def __call__(self, word: str) -> tuple[Phones, ...]:
        """Return the ways to say a word; none for what can not be read."""
        known = self._dictionary.lookup(word)
        if known or _LATIN.match(word):
            return known
        spoken = [to_cmu_mandarin(syllable) for syllable in self._read(word)]
        return (tuple(phone for part in spoken for phone in part),) if spoken and all(spoken) else ()
