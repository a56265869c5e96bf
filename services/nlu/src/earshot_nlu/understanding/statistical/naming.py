"""Which words of a sentence name what it is about: "turn on the radio" is about a radio."""

from __future__ import annotations

from collections.abc import Iterator

from earshot_nlu.understanding.language import Language, Token

# Shorter words hardly name a thing.
A_NAME = 4


def named(text: str, language: Language) -> Iterator[Token]:
    """Yield the words of a normalised text behind a pointer ("the") and not before another word of weight.

    A language without pointers has none.
    """
    tokens = language.tokens(text)
    for before, token, after in zip(tokens, tokens[1:], (*tokens[2:], None), strict=False):
        ends = after is None or after.weight == 1
        if before.text in language.speech.pointers and token.weight >= A_NAME and ends:
            yield token
