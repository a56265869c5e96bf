"""An answer's text as what is synthesised one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import regex

from earshot_tts.text import english, mandarin
from earshot_tts.text.cleaning import clean, speakable
from earshot_tts.text.sentences import split

_NORMALISERS: dict[str, Callable[[str], str]] = {"en-US": english.normalise, "zh-CN": mandarin.normalise}
_IDEOGRAPHIC_LOCALE = "zh-CN"
# A run of ideographs with the digits and punctuation inside it: a song's Chinese title in an English answer.
_IDEOGRAPHS = regex.compile(r"(\p{Han}(?:[\p{Han}\d，、：·“”《》〈〉（）]*[\p{Han}])?[。！？…]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Words in one locale that are synthesised and cached as one piece.

    Attributes:
        text: Normalised: no digits or signs that an engine might read in its own way.
        locale: Of these words; another than the answer's where the script changes.
        sentence_index: The sentence of the answer that it is part of.
    """

    text: str
    locale: str
    sentence_index: int


def spans(text: str, locale: str, *, locales: tuple[str, ...] = (), first_index: int = 0) -> Iterator[Span]:
    """Yield what there is to say, sentence by sentence, worked out as it is asked for.

    Args:
        text: As it came; may be long, empty or without anything that has a sound.
        locale: Of the text.
        locales: What the engine speaks: ideographs in another language's text go to a voice that can read them.
        first_index: Index of the text's first sentence.
    """
    for index, sentence in enumerate(split(clean(text)), start=first_index):
        for run, run_locale in _runs(sentence, locale, locales):
            words = normalise(run, run_locale)
            if speakable(words):
                yield Span(text=words, locale=run_locale, sentence_index=index)


def _runs(sentence: str, locale: str, locales: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if sentence.isascii() or locale.startswith("zh") or _IDEOGRAPHIC_LOCALE not in locales:
        yield sentence, locale
        return
    for position, run in enumerate(_IDEOGRAPHS.split(sentence)):
        if run.strip():
            yield run.strip(), _IDEOGRAPHIC_LOCALE if position % 2 else locale


@lru_cache(maxsize=4096)
def normalise(sentence: str, locale: str) -> str:
    """Return one cleaned sentence as it is read aloud; unchanged in a locale without rules."""
    normaliser = _NORMALISERS.get(locale)
    return normaliser(sentence) if normaliser is not None else sentence


def warm() -> None:
    """Load what the rules load when they first need it, so that no user waits for it."""
    normalise("5 USD on 2026-01-31, the 2nd", "en-US")
    normalise("5 USD", "zh-CN")
