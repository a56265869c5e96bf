"""Mandarin, put together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from earshot_nlu.understanding.language import Token, ValueReader
from earshot_nlu.understanding.mandarin import durations, numbers, text, times
from earshot_nlu.understanding.mandarin.sound import folded, syllable
from earshot_nlu.understanding.mandarin.speech import SPEECH
from earshot_nlu.understanding.tracked import Tracked
from earshot_nlu.understanding.values.reader import Reader

_TOKEN = re.compile(rf"[{text.HAN}]|[^\s{text.HAN}]+")
_SAME_SOUND = 0.97
_NEAR_SOUND = 0.9
_EXCESS = 1.5


class Mandarin:
    """zh-CN."""

    locale = "zh-CN"
    template_language = "zh"
    ignores_spaces = True
    longest_run = 12
    least_letters = 3
    least_words_beside_wildcard = 4

    speech = SPEECH

    def __init__(self) -> None:
        self.values: ValueReader = Reader(
            language="zh",
            digits=numbers.digits,
            decimals=numbers.decimals,
            scanner=times.SCANNER,
            leading=("在",),
            find_numbers=numbers.find,
            number=numbers.number,
            find_durations=durations.find,
            duration=durations.duration,
        )

    def normalise(self, words: str) -> Tracked:
        """Return the words without spaces beside Han characters."""
        return text.normalise(words)

    def normalise_literal(self, words: str) -> str:
        """Return a template's literal text normalised alike."""
        return text.normalise(words).text

    def prepare_template(self, template: str) -> str:
        """Return the template: nothing in Mandarin runs across brackets."""
        return template

    def without_fillers(self, words: Tracked) -> Tracked:
        """Return the text without politeness and hesitation at its ends."""
        return text.without_fillers(words)

    def tokens(self, words: str) -> Sequence[Token]:
        """Return the characters, Latin words and figures with their readings."""
        return _tokens(words)

    def likeness(self, heard: Token, meant: Token) -> float:
        """Return how easily one character is taken for another: by its sound alone."""
        if heard.text == meant.text:
            return 1.0
        if heard.sound == meant.sound:
            return _SAME_SOUND
        return _NEAR_SOUND if folded(heard.sound) == folded(meant.sound) else 0.0

    def spelling(self, words: str) -> str:
        """Return the text in folded pinyin."""
        return " ".join(folded(token.sound) for token in self.tokens(words))

    def sounds(self, words: str) -> str:
        """Return the folded pinyin of the characters."""
        return self.spelling(words)

    def join(self, words: Sequence[str]) -> str:
        """Return words without spaces between them, but for Latin ones."""
        return text.normalise(" ".join(words)).text


@lru_cache(maxsize=2048)
def _tokens(words: str) -> tuple[Token, ...]:
    return tuple(
        Token(match[0], match.start(), match.end(), syllable(match[0]), len(match[0]), _EXCESS * len(match[0]))
        for match in _TOKEN.finditer(words)
    )
