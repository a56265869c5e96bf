"""English, put together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import jellyfish
from rapidfuzz.distance import JaroWinkler

from earshot_nlu.understanding.english import durations, numbers, text, times
from earshot_nlu.understanding.english.speech import SPEECH
from earshot_nlu.understanding.language import Token, ValueReader
from earshot_nlu.understanding.tracked import Tracked
from earshot_nlu.understanding.values.reader import Reader

_WORD = re.compile(r"\S+")
# Words whose loss or excess changes nothing.
_LIGHT = frozenset({"a", "an", "the", "my", "some", "please"})
# Words that sound the same are taken for each other more often than words that look alike.
_SAME_SOUND = 0.93


class English:
    """en-US."""

    locale = "en-US"
    template_language = "en"
    ignores_spaces = False
    longest_run = 6
    least_letters = 5
    least_words_beside_wildcard = 3

    speech = SPEECH

    def __init__(self) -> None:
        self.values: ValueReader = Reader(
            language="en",
            digits=numbers.digits,
            decimals=numbers.digits,
            scanner=times.SCANNER,
            leading=("at ", "on ", "in ", "for ", "over ", "by ", "until ", "to ", "from "),
            find_numbers=numbers.find,
            number=numbers.number,
            find_durations=durations.find,
            duration=durations.duration,
        )

    def normalise(self, words: str) -> Tracked:
        """Return words in lower case, apart by single spaces, contractions written out."""
        return text.normalise(words)

    def normalise_literal(self, words: str) -> str:
        """Return a template's literal text normalised alike; a space at an end stays."""
        plain = text.normalise(words).text
        if not plain:
            return " " if words.strip(" ") != words else ""
        before = " " if words[0].isspace() else ""
        after = " " if words[-1].isspace() else ""
        return f"{before}{plain}{after}"

    def prepare_template(self, template: str) -> str:
        """Return the template with contractions that begin in brackets written out: "what['s]" as "what[ is]"."""
        return text.written_out_in_brackets(template)

    def without_fillers(self, words: Tracked) -> Tracked:
        """Return the text without politeness and hesitation at its ends."""
        return text.without_fillers(words)

    def tokens(self, words: str) -> Sequence[Token]:
        """Return the words with their metaphone keys."""
        return _tokens(words)

    def likeness(self, heard: Token, meant: Token) -> float:
        """Return how easily one word is taken for another, by its letters and by its sound."""
        if heard.text == meant.text:
            return 1.0
        letters = float(JaroWinkler.similarity(heard.text, meant.text, prefix_weight=0.05))
        if heard.sound and heard.sound == meant.sound:
            return max(_SAME_SOUND, letters)
        return letters

    def spelling(self, words: str) -> str:
        """Return the text itself."""
        return words

    def sounds(self, words: str) -> str:
        """Return the metaphone keys of the words."""
        return " ".join(_sound(word) for word in words.split())

    def join(self, words: Sequence[str]) -> str:
        """Return words apart by spaces."""
        return " ".join(words)


@lru_cache(maxsize=2048)
def _tokens(words: str) -> tuple[Token, ...]:
    return tuple(
        Token(match[0], match.start(), match.end(), _sound(match[0]), _weight(match[0]), _excess(match[0]))
        for match in _WORD.finditer(words)
    )


def _weight(word: str) -> int:
    return 1 if word in _LIGHT else len(word)


def _excess(word: str) -> float:
    return 1.0 if word in _LIGHT else 1.25 * max(3, len(word))


@lru_cache(maxsize=8192)
def _sound(word: str) -> str:
    return jellyfish.metaphone(word) if word.isalpha() else word
