"""Which words may follow which: the graph of the sentences as it is walked, word by word, when a reading is checked.

A language model of trigrams takes "can you" or "turn it" for as good as any sentence. Here a reading is one or is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from earshot_asr.vocabulary.graph import Graph
from earshot_asr.vocabulary.minimal import silently
from earshot_asr.vocabulary.places import stands_for

_DIGITS: Final = 3


class Step(NamedTuple):
    """Where a word leads, and the logarithm of how likely it is there."""

    target: int
    logarithm: float


@dataclass(frozen=True, slots=True)
class Automaton:
    """All sentences; nodes are numbers, and the first is the start.

    Attributes:
        steps: By node and word, where it leads; more than one way only where the graph was too large to be made graph.
        endings: By node, the logarithm of how likely a sentence ends there; only those where one may.
    """

    steps: Sequence[Mapping[str, Sequence[Step]]]
    endings: Mapping[int, float]

    @classmethod
    def of(cls, graph: Graph) -> Self:
        """Return the automaton of a graph, which had better be minimal."""
        closures = silently(graph)
        order = graph.order()
        number = {node: index for index, node in enumerate(order)}
        steps: list[dict[str, list[Step]]] = [{} for _ in order]
        endings: dict[int, float] = {}
        for node in order:
            for reached, silent in closures[node].items():
                if reached == graph.end:
                    endings[number[node]] = round(math.log(silent), _DIGITS)
                for arc in graph.arcs[reached]:
                    if arc.word:
                        likely = round(math.log(silent * arc.probability), _DIGITS)
                        steps[number[node]].setdefault(arc.word, []).append(Step(number[arc.target], likely))
        return cls(steps, endings)

    def accepts(self, words: Sequence[str]) -> bool:
        """Whether words are a whole sentence; a household's own stand in their places."""
        nodes = {0}
        for word in words:
            nodes = {step.target for node in nodes for step in self.steps[node].get(stands_for(word), ())}
        return any(node in self.endings for node in nodes)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "steps": [
                {word: [list(step) for step in ways] for word, ways in leaving.items()} for leaving in self.steps
            ],
            "endings": {str(node): logarithm for node, logarithm in self.endings.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read it back.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        steps = [{word: [Step(*way) for way in ways] for word, ways in leaving.items()} for leaving in value["steps"]]
        return cls(steps, {int(node): logarithm for node, logarithm in value["endings"].items()})
