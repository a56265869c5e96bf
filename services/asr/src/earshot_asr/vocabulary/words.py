"""From graphs of text pieces to graphs of words.

Two ways of writing are told apart. Where words are separated by spaces, a word may lie across several pieces
("light" + "s"), and ends at a space. Where they are not (Mandarin), every piece is cut into words by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from earshot_asr.vocabulary.graph import Graph

Tokenise = Callable[[str], Sequence[str]]
"""Cuts text into words as the pronunciation dictionary knows them; none for punctuation alone."""


def to_words(pieces: Graph, tokenise: Tokenise, *, spaced: bool) -> Graph:
    """Return the graph of the same sentences, cut into words.

    Args:
        pieces: A graph whose arcs carry text, spaces included.
        tokenise: Applied to text that is complete: between two spaces, or one piece.
        spaced: Whether words are separated by spaces.
    """
    return _Joiner(pieces, tokenise, spaced=spaced).run()


class _Joiner:
    """Walks over (node, text of a word that has begun) pairs; each is one node of the result."""

    def __init__(self, pieces: Graph, tokenise: Tokenise, *, spaced: bool) -> None:
        self._pieces = pieces
        self._tokenise = tokenise
        self._spaced = spaced
        self._ends_word = _word_ends(pieces)
        self._words = Graph()
        self._nodes: dict[tuple[int, str], int] = {(pieces.start, ""): self._words.start}
        self._pending: list[tuple[int, str]] = [(pieces.start, "")]

    def run(self) -> Graph:
        """Visit every pair once."""
        while self._pending:
            node, begun = self._pending.pop()
            source = self._nodes[node, begun]
            for arc in self._pieces.arcs[node]:
                complete, rest = self._cut(begun + arc.word, arc.target)
                self._chain(source, complete, self._node(arc.target, rest), arc.probability)
        return self._words

    def _cut(self, text: str, target: int) -> tuple[list[str], str]:
        if not self._spaced or target in self._ends_word:
            return [word for part in text.split() for word in self._tokenise(part)], ""
        head, separator, rest = text.rpartition(" ")
        if not separator:
            return [], text
        return [word for part in head.split() for word in self._tokenise(part)], rest

    def _node(self, node: int, begun: str) -> int:
        if node == self._pieces.end:
            return self._words.end
        key = (node, begun)
        known = self._nodes.get(key)
        if known is None:
            known = self._nodes[key] = self._words.add_node()
            self._pending.append(key)
        return known

    def _chain(self, source: int, words: Sequence[str], target: int, probability: float) -> None:
        for word in words[:-1]:
            middle = self._words.add_node()
            self._words.add_arc(source, middle, probability, word)
            source, probability = middle, 1.0
        self._words.add_arc(source, target, probability, words[-1] if words else "")


def _word_ends(pieces: Graph) -> frozenset[int]:
    """Return the nodes after which no word can go on, so that what has begun can be ended there.

    Without them the words of a long list would be carried on beyond the list, each in a copy of what follows.
    """
    ends = {pieces.end}
    for node in reversed(pieces.order()):
        if all(arc.word[0].isspace() if arc.word else arc.target in ends for arc in pieces.arcs[node]):
            ends.add(node)
    return frozenset(ends)
