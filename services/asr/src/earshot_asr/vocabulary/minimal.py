"""The smallest graph of the same sentences: what a closed grammar needs, because its search tries every arc.

Templates repeat each other: ten of them begin with the same list of towns. Nodes that are reached by the same words
become one (from the start), and so do nodes from which the same words follow (from the end).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from earshot_asr.vocabulary.graph import Arc, Graph

GROWTH: Final = 4
"""Joining from the start may make more nodes than there were; beyond this factor it is given up."""


def minimal(graph: Graph) -> Graph:
    """Return a graph of the same sentences with few nodes and arcs, without silent arcs but to the end.

    How likely a sentence is changes a little where templates differ in their weights.
    """
    joined = _join_from_start(graph, limit=GROWTH * sum(map(len, graph.arcs)) + 1000)
    return graph if joined is None else _join_from_end(joined)


def _reach(graph: Graph) -> dict[int, float]:
    """Return how likely a sentence passes each node."""
    reached: defaultdict[int, float] = defaultdict(float, {graph.start: 1.0})
    for node in graph.order():
        for arc in graph.arcs[node]:
            reached[arc.target] += reached[node] * arc.probability
    return reached


def silently(graph: Graph) -> dict[int, dict[int, float]]:
    """Return for each node where one may be without another word, and how likely; arcs with words count from there."""
    closures: dict[int, dict[int, float]] = {}
    for node in reversed(graph.order()):
        closure = {node: 1.0}
        for arc in graph.arcs[node]:
            if not arc.word:
                for target, probability in closures[arc.target].items():
                    closure[target] = closure.get(target, 0.0) + arc.probability * probability
        closures[node] = closure
    return closures


def _join_from_start(graph: Graph, *, limit: int) -> Graph | None:
    """Make the words that leave a node all different; None where that needs more than `limit` arcs."""
    closures = silently(graph)
    reached = _reach(graph)
    result = Graph()
    nodes: dict[frozenset[int], int] = {frozenset({graph.start}): result.start}
    pending = list(nodes)
    arcs = 0
    while pending:
        members = pending.pop()
        leaving: defaultdict[str, dict[int, float]] = defaultdict(dict)
        ending = 0.0
        for member in members:
            for node, silent in closures[member].items():
                weight = reached[member] * silent
                ending += weight if node == graph.end else 0.0
                for arc in graph.arcs[node]:
                    if arc.word:
                        targets = leaving[arc.word]
                        targets[arc.target] = targets.get(arc.target, 0.0) + weight * arc.probability
        total = ending + sum(sum(targets.values()) for targets in leaving.values())
        source = nodes[members]
        if ending:
            result.add_arc(source, result.end, ending / total)
        for word, targets in sorted(leaving.items()):
            key = frozenset(targets)
            if key not in nodes:
                nodes[key] = result.add_node()
                pending.append(key)
            result.add_arc(source, nodes[key], sum(targets.values()) / total, word)
        arcs += len(leaving)
        if arcs > limit:
            return None
    return result


def _join_from_end(graph: Graph) -> Graph:
    """Make one node of all from which the same words follow; the first one's probabilities stand for all."""
    representative: dict[int, int] = {}
    known: dict[tuple[tuple[str, int], ...], int] = {}
    joined: list[list[Arc]] = [[] for _ in graph.arcs]
    for node in reversed(graph.order()):
        arcs = [Arc(representative[target], probability, word) for target, probability, word in graph.arcs[node]]
        signature = tuple(sorted((arc.word, arc.target) for arc in arcs))
        if node in {graph.start, graph.end}:
            representative[node] = node
        else:
            representative[node] = known.setdefault(signature, node)
        if representative[node] == node:
            joined[node] = arcs
    return Graph(arcs=joined, start=graph.start, end=graph.end)
