"""Hot words: names that the skills registered and that a model with an open vocabulary would otherwise miss.

Ordinary words are the model's own business. What it can't know are the values of lists: towns, artists, titles, rooms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest
from typing import Final

from hassil.expression import Expression
from hassil.intents import TextSlotList
from hassil.sample import sample_expression

from earshot_asr.vocabulary.numbers import spell
from earshot_asr.vocabulary.templates import Template, TemplateError, parse_document
from earshot_asr.vocabulary.tokens import English, Mandarin

MOST: Final = 1000
"""Phrases that a stream is told of: making their graph takes a millisecond for each thousand characters."""
MOST_OWN: Final = 256
"""The same of a household's own."""
_VARIANTS: Final = 4
_SHORTEST: Final = 2
_LONGEST: Final = 40
_ODD: Final = re.compile(r"[^\w' ]|_")


def hot_words(documents: Iterable[str], locale: str, *, most: int = MOST) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return phrases to listen for, and how the words in them are written where that is not in lower case.

    Args:
        documents: Sentence templates of the skills; one that can't be read is left out.
        locale: Numbers are said as there.
        most: How many phrases at most: every list has its share.
    """
    say, words = _writer(locale)
    lists: list[list[str]] = []
    for templates in _parsed(documents):
        named = {name: values for template in templates for name, values in template.scope.lists.items()}
        for values in named.values():
            if isinstance(values, TextSlotList):
                texts = chain.from_iterable(_said(value.text_in) for value in values.values)
                lists.append([say(text) for text in texts])
    taken = (phrase for turn in zip_longest(*lists) for phrase in turn if phrase and _fit(phrase))
    return tuple(islice(dict.fromkeys(taken), most)), words.spellings()


def own_words(phrases: Iterable[str], locale: str) -> tuple[str, ...]:
    """Return what a household calls things as hot words, at most `MOST_OWN`; what can not be one is left out."""
    say, _ = _writer(locale)
    return tuple(islice(dict.fromkeys(filter(_fit, map(say, phrases))), MOST_OWN))


def _writer(locale: str) -> tuple[Callable[[str], str], English]:
    """Return what writes a text as it is said, and what remembers how its words are spelled."""

    def say(number: float) -> str:
        return spell(number, locale)[0]

    words = English(say)
    mandarin = Mandarin(say, lambda text: (text,))
    if locale.startswith("zh"):
        return lambda text: "".join(mandarin(text)), words
    return lambda text: " ".join(words(text)), words


def writable(phrases: Sequence[str], characters: frozenset[str], *, pieces: bool, upper: bool) -> tuple[str, ...]:
    """Return those phrases that a model has tokens for, as it writes them.

    Args:
        phrases: In lower case.
        characters: The Chinese characters that it can write.
        pieces: Whether it can be told words in Latin letters.
        upper: Whether it writes them in capitals.
    """
    fitting = (
        phrase
        for phrase in phrases
        if all(c in characters if c > "\u2fff" else (pieces and c.isascii()) for c in phrase if c != " ")
    )
    return tuple(phrase.upper() if upper else phrase for phrase in fitting)


def _parsed(documents: Iterable[str]) -> Iterator[tuple[Template, ...]]:
    for document in documents:
        try:
            yield parse_document(document)
        except TemplateError:
            continue


def _said(expression: Expression) -> Iterable[str]:
    return islice(sample_expression(expression), _VARIANTS)


def _fit(phrase: str) -> bool:
    return _SHORTEST <= len(phrase) <= _LONGEST and not _ODD.search(phrase)
