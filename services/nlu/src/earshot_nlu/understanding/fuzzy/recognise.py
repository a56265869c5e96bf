"""Reads an utterance as the sentence it is most likely a slip of.

The utterance is rewritten as that sentence and matched against its template as if it had been said so: slots come out
as they do elsewhere, and their words are still those that were said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from earshot_nlu.understanding.fuzzy.align import Alignment, Step
from earshot_nlu.understanding.fuzzy.index import FuzzyIndex
from earshot_nlu.understanding.language import Language, Token
from earshot_nlu.understanding.templates.match import Match, Said, match
from earshot_nlu.understanding.tracked import Tracked, TrackedBuilder

_READ = 3


def recognise(index: FuzzyIndex, said: Said, language: Language, *, free_too: bool) -> list[tuple[Match, float]]:
    """Return readings with how alike they are, most alike first.

    Args:
        index: Sentences to compare with.
        said: What was heard.
        language: Its language.
        free_too: Whether sentences with slots that take anything are looked at.
    """
    readings: list[tuple[Match, float]] = []
    read = 0
    for skeleton, alignment in index.search(said.text.text, free_too=free_too):
        meant = replace(said, text=_rewritten(said.text, alignment, language))
        matches = match([skeleton.unit], meant, language)
        readings.extend((found, alignment.likeness) for found in matches)
        read += bool(matches)
        if read == _READ:
            break
    return readings


def _rewritten(heard: Tracked, alignment: Alignment, language: Language) -> Tracked:
    """Return the sentence that is meant, leading back to the words that were said."""
    tokens = language.tokens(heard.text)
    builder = TrackedBuilder()
    length = 0
    for step in alignment.steps:
        if not step.text:
            continue
        start, end = _place(step, tokens, heard)
        if length and not language.ignores_spaces:
            at = _source(heard, start, end)[0]
            builder.add(" ", at, at)
        if heard.text[start:end] == step.text:
            builder.copy(heard, start, end)
        else:
            builder.add(step.text, *_source(heard, start, end))
        length += 1
    return builder.build()


def _place(step: Step, tokens: Sequence[Token], heard: Tracked) -> tuple[int, int]:
    """Return where a step's words stand; an empty place where they were left out."""
    if step.start < step.end:
        return tokens[step.start].start, tokens[step.end - 1].end
    at = tokens[step.start].start if step.start < len(tokens) else len(heard.text)
    return at, at


def _source(heard: Tracked, start: int, end: int) -> tuple[int, int]:
    if start < end:
        return heard.span(start, end)
    at = heard.starts[start] if start < len(heard.text) else heard.ends[-1]
    return at, at
