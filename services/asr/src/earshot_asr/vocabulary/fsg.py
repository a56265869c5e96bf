"""A closed grammar in CMU's finite-state format, from a graph of words."""

from __future__ import annotations

from typing import Final

from earshot_asr.vocabulary.graph import Graph

_LEAST: Final = 1e-6


def to_fsg(graph: Graph, *, name: str = "sentences") -> str:
    """Return the text of a grammar that allows exactly the sentences of the graph.

    Raises:
        ValueError: The graph is empty.
    """
    if not graph.arcs[graph.start]:
        raise ValueError("no sentences to make a grammar of")
    order = graph.order()
    number = {node: index for index, node in enumerate(order)}
    lines = [
        f"FSG_BEGIN {name}",
        f"NUM_STATES {len(order)}",
        f"START_STATE {number[graph.start]}",
        f"FINAL_STATE {number[graph.end]}",
    ]
    lines.extend(
        f"TRANSITION {number[node]} {number[arc.target]} {max(arc.probability, _LEAST):.6f} {arc.word}".rstrip()
        for node in order
        for arc in graph.arcs[node]
    )
    return "\n".join([*lines, "FSG_END", ""])
