"""A trigram language model in ARPA's format, smoothed by interpolation as Witten and Bell do.

The share that a context leaves to shorter contexts grows with the number of different words that follow it:
T / (c + T) for T different words in c occurrences.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Final

from earshot_asr.vocabulary.ngrams import ANY, BEGIN, END, Counts

SENTENCES: Final = 20_000
"""How many sentences the expected counts are taken to be from: more of them trust the templates more."""
_NEVER: Final = -99.0

Ngram = tuple[str, ...]


def to_arpa(trigrams: Counts, *, sentences: float = SENTENCES) -> str:
    """Return the text of a language model.

    Args:
        trigrams: Expected counts in one sentence, as `expected_trigrams` gives them; at least one.
        sentences: What to multiply them by.

    Raises:
        ValueError: There are no trigrams.
    """
    if not trigrams:
        raise ValueError("no sentences to make a language model of")
    return _Model(trigrams, sentences).text()


def likeliest(trigrams: Counts, *, sentences: float = SENTENCES) -> dict[str, float]:
    """Return by context, its words put together, the log probability of the word that is likeliest to follow.

    A value of a long list is never likely, but as likely as anything in its place; a word where no sentence has it is
    not. So what a word is worth shows against the likeliest.
    """
    return _Model(trigrams, sentences).likeliest() if trigrams else {}


class _Context:
    """What follows a context."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.counts: defaultdict[str, float] = defaultdict(float)

    @property
    def left(self) -> float:
        """The share that is left to the shorter context."""
        return len(self.counts) / (self.total + len(self.counts))


class _Model:
    def __init__(self, trigrams: Counts, sentences: float) -> None:
        self._contexts: defaultdict[Ngram, _Context] = defaultdict(_Context)
        for (first, second, third), expected in sorted(trigrams.items()):
            count = expected * sentences
            self._count((), third, count)
            self._count((second,), third, count)
            if second != BEGIN and first != ANY:
                self._count((first, second), third, count)
        self._uniform = 1 / len(self._contexts[()].counts)

    def _count(self, context: Ngram, word: str, count: float) -> None:
        seen = self._contexts[context]
        seen.counts[word] += count
        seen.total += count

    def _probability(self, context: Ngram, word: str) -> float:
        shorter = self._probability(context[1:], word) if context else self._uniform
        seen = self._contexts.get(context)
        if seen is None:
            return shorter
        own = seen.counts.get(word, 0.0) + len(seen.counts) * shorter
        return own / (seen.total + len(seen.counts))

    def likeliest(self) -> dict[str, float]:
        """See the function of this name."""
        return {
            " ".join(context): round(math.log(max(self._probability(context, word) for word in seen.counts)), 3)
            for context, seen in self._contexts.items()
        }

    def text(self) -> str:
        """Write it down."""
        words = sorted({BEGIN, *self._contexts[()].counts})
        pairs = self._ngrams(1)
        triples = self._ngrams(2)
        lines = [
            "\\data\\",
            f"ngram 1={len(words)}",
            f"ngram 2={len(pairs)}",
            f"ngram 3={len(triples)}",
            "",
            "\\1-grams:",
        ]
        for word in words:
            logarithm = _NEVER if word == BEGIN else math.log10(self._probability((), word))
            lines.append(f"{logarithm:.4f} {word}{self._backoff((word,))}")
        lines.extend(["", "\\2-grams:"])
        for first, second in pairs:
            logarithm = math.log10(self._probability((first,), second))
            lines.append(f"{logarithm:.4f} {first} {second}{self._backoff((first, second))}")
        lines.extend(["", "\\3-grams:"])
        lines.extend(
            f"{math.log10(self._probability((first, second), third)):.4f} {first} {second} {third}"
            for first, second, third in triples
        )
        return "\n".join([*lines, "", "\\end\\", ""])

    def _ngrams(self, context_length: int) -> list[Ngram]:
        return sorted(
            (*context, word)
            for context, seen in self._contexts.items()
            if len(context) == context_length
            for word in seen.counts
        )

    def _backoff(self, context: Ngram) -> str:
        if context[-1] == END:
            return ""
        seen = self._contexts.get(context)
        return f" {math.log10(seen.left) if seen else 0.0:.4f}"
