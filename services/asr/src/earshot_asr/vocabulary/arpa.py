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


class _Context:
    """What follows a context."""

    __slots__ = ("counts", "probabilities", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.counts: dict[str, float] = {}
        self.probabilities: dict[str, float] = {}

    @property
    def left(self) -> float:
        """The share that is left to the shorter context."""
        return len(self.counts) / (self.total + len(self.counts))


class LanguageModel:
    """See the module."""

    def __init__(self, trigrams: Counts, *, sentences: float = SENTENCES) -> None:
        """Count and smooth.

        Args:
            trigrams: Expected counts in one sentence, as `expected_trigrams` gives them; at least one.
            sentences: What to multiply them by.

        Raises:
            ValueError: There are no trigrams.
        """
        if not trigrams:
            raise ValueError("no sentences to make a language model of")
        self._contexts: defaultdict[Ngram, _Context] = defaultdict(_Context)
        for (first, second, third), expected in sorted(trigrams.items()):
            count = expected * sentences
            self._count((), third, count)
            self._count((second,), third, count)
            if second != BEGIN and first != ANY:
                self._count((first, second), third, count)
        self._smooth()

    def _count(self, context: Ngram, word: str, count: float) -> None:
        seen = self._contexts[context]
        seen.counts[word] = seen.counts.get(word, 0.0) + count
        seen.total += count

    def _smooth(self) -> None:
        # Whatever follows a context follows the shorter one, too, whose probabilities are there when they are needed.
        for context in sorted(self._contexts, key=len):
            seen = self._contexts[context]
            different = len(seen.counts)
            shorter = self._contexts[context[1:]].probabilities if context else {}
            uniform = 1 / different
            seen.probabilities = {
                word: (count + different * shorter.get(word, uniform)) / (seen.total + different)
                for word, count in seen.counts.items()
            }

    def likeliest(self) -> dict[str, float]:
        """Return by context, its words put together, the log probability of the word that is likeliest to follow.

        A value of a long list is never likely, but as likely as anything in its place; a word where no sentence has it is
        not. So what a word is worth shows against the likeliest.
        """
        return {
            " ".join(context): round(math.log(max(seen.probabilities.values())), 3)
            for context, seen in self._contexts.items()
        }

    def text(self) -> str:
        """Return it in ARPA's format."""
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
        unigrams = self._contexts[()].probabilities
        for word in words:
            logarithm = _NEVER if word == BEGIN else math.log10(unigrams[word])
            lines.append(f"{logarithm:.4f} {word}{self._backoff((word,))}")
        lines.extend(["", "\\2-grams:"])
        lines.extend(
            f"{math.log10(probability):.4f} {first} {second}{self._backoff((first, second))}"
            for (first, second), probability in pairs
        )
        lines.extend(["", "\\3-grams:"])
        lines.extend(
            f"{math.log10(probability):.4f} {first} {second} {third}" for (first, second, third), probability in triples
        )
        return "\n".join([*lines, "", "\\end\\", ""])

    def _ngrams(self, context_length: int) -> list[tuple[Ngram, float]]:
        return sorted(
            ((*context, word), probability)
            for context, seen in self._contexts.items()
            if len(context) == context_length
            for word, probability in seen.probabilities.items()
        )

    def _backoff(self, context: Ngram) -> str:
        if context[-1] == END:
            return ""
        seen = self._contexts.get(context)
        return f" {math.log10(seen.left) if seen else 0.0:.4f}"
