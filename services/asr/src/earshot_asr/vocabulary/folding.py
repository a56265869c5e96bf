"""The same graph in less space: nodes from which just the same follows, with the same probabilities, become one.

Templates repeat each other, and each brings its own copy of what a rule or a list stands for. Folding changes no sentence
and no probability, so whatever is computed on a graph is computed on the folded one, in a fraction of the time.
"""

from __future__ import annotations

from typing import Final

from earshot_asr.vocabulary.graph import Arc, Graph

_DIGITS: Final = 12
"""Probabilities that were computed in another order differ in the last places."""

_Signature = tuple[tuple[int, str, float], ...]


def folded(graph: Graph) -> Graph:
    """Return a graph of the same sentences, each as likely as before; without nodes that are only passed silently."""
    result = Graph()
    known: dict[_Signature, int] = {}
    stands_for = {graph.end: result.end}
    for node in reversed(graph.order()):
        if node == graph.end:
            continue
        leaving: dict[tuple[int, str], float] = {}
        for target, probability, word in graph.arcs[node]:
            there = stands_for[target], word
            leaving[there] = leaving.get(there, 0.0) + probability
        arcs = [Arc(target, probability, word) for (target, word), probability in leaving.items()]
        if node == graph.start:
            result.arcs[result.start] = arcs
        elif len(arcs) == 1 and not arcs[0].word:
            stands_for[node] = arcs[0].target
        else:
            signature = tuple(sorted((target, word, round(probability, _DIGITS)) for target, probability, word in arcs))
            place = known.get(signature)
            if place is None:
                place = known[signature] = len(result.arcs)
                result.arcs.append(arcs)
            stands_for[node] = place
    return result
