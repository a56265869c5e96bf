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
MAX_HISTORIES: Final = 4000
"""Two long lists one after the other meet in more pairs than anybody says; the rarest are left to the bigrams."""

Trigram = tuple[str, str, str]
Counts = dict[Trigram, float]


def expected_trigrams(graph: Graph) -> Counts:
    """Return trigrams and their expected number in one sentence; the first words follow two `BEGIN`."""
    counts: defaultdict[Trigram, float] = defaultdict(float)
    histories: defaultdict[int, defaultdict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    histories[graph.start][BEGIN, BEGIN] = 1.0
    for node in graph.order():
        arriving = _likeliest(histories.pop(node, {}))
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


def _likeliest(histories: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    if len(histories) <= MAX_HISTORIES:
        return histories
    # Every last word stays, with its likeliest first word, so that no word is lost to the model.
    by_probability = sorted(histories.items(), key=lambda item: (-item[1], item[0]))
    kept: dict[tuple[str, str], float] = {}
    last_words: set[str] = set()
    for history, probability in by_probability:
        if len(kept) < MAX_HISTORIES or history[1] not in last_words:
            kept[history] = probability
            last_words.add(history[1])
    scale = sum(histories.values()) / sum(kept.values())
    return {history: probability * scale for history, probability in kept.items()}
