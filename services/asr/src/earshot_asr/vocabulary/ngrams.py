"""How often each trigram is expected in what a graph of words allows, without writing the sentences down.

The probability of having said two given words on arriving at a node is carried through the graph in topological
order; each arc with a third word then adds to the count of a trigram. Exact, and as fast as the graph is small.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from earshot_asr.vocabulary.graph import Graph

BEGIN: Final = "<s>"
END: Final = "</s>"
ANY: Final = ""
"""Stands for the first word of trigrams that are too rare to be told apart."""
FAINT: Final = 1e-5
"""Two long lists side by side meet in more pairs than anybody says. Pairs that are less likely than this in a sentence
lose their first word: what follows them is still counted after the second, exactly."""

Trigram = tuple[str, str, str]
Counts = dict[Trigram, float]


def expected_trigrams(graph: Graph) -> Counts:
    """Return trigrams and their expected number in one sentence; the first words follow two `BEGIN`, rare ones `ANY`."""
    counts: defaultdict[Trigram, float] = defaultdict(float)
    histories: defaultdict[int, defaultdict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    histories[graph.start][BEGIN, BEGIN] = 1.0
    for node in graph.order():
        arriving = _distinct(histories.pop(node, {}))
        if node == graph.end:
            for (first, second), probability in arriving.items():
                counts[first, second, END] += probability
            continue
        for arc in graph.arcs[node]:
            leaving = histories[arc.target]
            for history, probability in arriving.items():
                taken = probability * arc.probability
                if arc.word:
                    counts[*history, arc.word] += taken
                    leaving[history[1], arc.word] += taken
                else:
                    leaving[history] += taken
    return dict(counts)


def _distinct(histories: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    kept: defaultdict[tuple[str, str], float] = defaultdict(float)
    for (first, second), probability in histories.items():
        kept[first if probability >= FAINT else ANY, second] += probability
    return kept
