"""Weighted graphs of words: every sentence that a set of templates allows, with its probability, in little space.

A template is not expanded into sentences, because a list of a thousand towns in a dozen places makes millions of
them. It becomes a graph instead, in which a list is a bundle of parallel arcs. Language models and grammars are
computed on the graph.

Graphs have one start and one end and no cycles; the probabilities of the arcs that leave a node add up to 1. An arc
without a word is passed silently.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Arc(NamedTuple):
    """A step to another node.

    Attributes:
        target: The node it leads to.
        probability: Of being taken from its source, above 0.
        word: What is said on the way; empty: nothing.
    """

    target: int
    probability: float
    word: str


@dataclass(slots=True)
class Graph:
    """Nodes are numbers from 0; `arcs[node]` leave the node."""

    arcs: list[list[Arc]] = field(default_factory=lambda: [[], []])
    start: int = 0
    end: int = 1

    def add_node(self) -> int:
        """Return a new node."""
        self.arcs.append([])
        return len(self.arcs) - 1

    def add_arc(self, source: int, target: int, probability: float = 1.0, word: str = "") -> None:
        """Connect two nodes."""
        self.arcs[source].append(Arc(target, probability, word))

    def words(self) -> frozenset[str]:
        """Return every word that can be said from the start."""
        return frozenset(arc.word for node in self.order() for arc in self.arcs[node] if arc.word)

    def order(self) -> list[int]:
        """Return the nodes that can be reached from the start, each after all its predecessors."""
        finished: list[int] = []
        seen = {self.start}
        stack = [(self.start, iter(self.arcs[self.start]))]
        while stack:
            node, leaving = stack[-1]
            for arc in leaving:
                if arc.target not in seen:
                    seen.add(arc.target)
                    stack.append((arc.target, iter(self.arcs[arc.target])))
                    break
            else:
                finished.append(node)
                stack.pop()
        finished.reverse()
        return finished

    def without(self, unwanted: Callable[[str], bool]) -> Graph:
        """Return the graph without the sentences that hold an unwanted word.

        Returns:
            A graph of the same nodes. What a removed arc was likely to carry goes to its neighbours. A graph of which
            nothing is left has no arc from its start.
        """
        reaches_end = {self.end}
        kept: list[list[Arc]] = [[] for _ in self.arcs]
        for node in reversed(self.order()):
            before = self.arcs[node]
            arcs = [arc for arc in before if arc.target in reaches_end and not (arc.word and unwanted(arc.word))]
            if len(arcs) < len(before):
                total = sum(arc.probability for arc in arcs)
                arcs = [Arc(arc.target, arc.probability / total, arc.word) for arc in arcs]
            kept[node] = arcs
            if arcs:
                reaches_end.add(node)
        return Graph(arcs=kept, start=self.start, end=self.end)

    def sample(self, count: int, seed: int) -> list[tuple[str, ...]]:
        """Return sentences drawn by their probability, the same for the same seed; none from an empty graph."""
        if not self.arcs[self.start]:
            return []
        generator = random.Random(seed)  # noqa: S311 - no secret
        return [self._walk(generator) for _ in range(count)]

    def _walk(self, generator: random.Random) -> tuple[str, ...]:
        words: list[str] = []
        node = self.start
        while node != self.end:
            arcs = self.arcs[node]
            arc = generator.choices(arcs, weights=[arc.probability for arc in arcs])[0]
            if arc.word:
                words.append(arc.word)
            node = arc.target
        return tuple(words)


def union(graphs: Iterable[tuple[float, Graph]]) -> Graph:
    """Return one graph of all sentences of several, each with its weight above 0; empty graphs are left out."""
    parts = [(weight, graph) for weight, graph in graphs if graph.arcs[graph.start]]
    total = sum(weight for weight, _ in parts)
    joined = Graph()
    for weight, graph in parts:
        offset = len(joined.arcs)
        joined.arcs.extend(
            [Arc(target + offset, probability, word) for target, probability, word in arcs] for arcs in graph.arcs
        )
        joined.add_arc(joined.start, graph.start + offset, weight / total)
        joined.add_arc(graph.end + offset, joined.end)
    return joined
