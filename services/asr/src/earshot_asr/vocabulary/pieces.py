"""From a template's syntax tree to a graph of text pieces.

Pieces are stretches of a template's text, spaces and all, as its author cut them: "light" and an optional "s". The
module `words` joins them to words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from hassil.expression import (
    Alternative,
    Expression,
    Group,
    ListReference,
    Permutation,
    RuleReference,
    TextChunk,
)
from hassil.intents import RangeSlotList, TextSlotList, WildcardSlotList

from earshot_asr.vocabulary.graph import Graph
from earshot_asr.vocabulary.places import SHARE, place
from earshot_asr.vocabulary.templates import Scope, Template, TemplateError

OPTIONAL_PROBABILITY: Final = 0.5
SKIP_WORD_PROBABILITY: Final = 0.1
MAX_DEPTH: Final = 32
MAX_PERMUTED: Final = 6
MAX_NUMBERS: Final = 1000
MAX_NODES: Final = 200_000
_SPACE: Final = re.compile(r"\s")

WildcardPhrases = Callable[[str, str], Sequence[Template]]
"""What may stand for a wildcard: name of its list, name of the slot that it fills."""
SpellNumber = Callable[[float, str | None], Sequence[str]]
"""How a number is said: number, language of its list or None for the locale's."""


class PieceGraphs:
    """Turns templates of one locale into graphs of pieces."""

    def __init__(self, *, spell: SpellNumber, wildcard: WildcardPhrases) -> None:
        """Make a converter.

        Args:
            spell: Says numbers.
            wildcard: Gives what may stand for a wildcard: weighted templates; none: any sentence with the wildcard
                is left out.
        """
        self._spell = spell
        self._wildcard = wildcard

    def convert(self, template: Template) -> Graph:
        """Return the graph of one template; empty where a wildcard without phrases stands in all its sentences.

        Raises:
            TemplateError: An unknown list or rule, rules that refer to themselves, or too much of anything.
        """
        graph = Graph()
        builder = _Builder(graph, template.scope, self._spell, self._wildcard)
        lead = builder.skip_words(graph.start)
        tail = builder.add(template.expression, lead, 0)
        graph.add_arc(builder.skip_words(tail), graph.end)
        return graph.without(_NOTHING.__eq__) if builder.has_gaps else graph


_NOTHING: Final = "\0"


class _Builder:
    def __init__(self, graph: Graph, scope: Scope, spell: SpellNumber, wildcard: WildcardPhrases) -> None:
        self._graph = graph
        self._scope = scope
        self._spell = spell
        self._wildcard = wildcard
        self.has_gaps = False

    def skip_words(self, source: int) -> int:
        words = self._scope.skip_words
        if not words:
            return source
        target = self._graph.add_node()
        self._graph.add_arc(source, target, 1 - SKIP_WORD_PROBABILITY, " ")
        for word in words:
            self._graph.add_arc(source, target, SKIP_WORD_PROBABILITY / len(words), f" {word} ")
        return target

    def add(self, expression: Expression, source: int, depth: int) -> int:
        """Append an expression to a node and return the node after it."""
        self._check_size(depth)
        match expression:
            case TextChunk():
                return self._text(expression.original_text, source)
            case Permutation():
                return self._permutation(expression, source, depth)
            case Alternative():
                return self._alternative(expression, source, depth)
            case Group():
                for item in expression.items:
                    source = self.add(item, source, depth + 1)
                return source
            case RuleReference():
                return self._rule(expression.rule_name, source, depth)
            case ListReference():
                return self._list(expression, source, depth)
            case _:
                raise TemplateError(f"unknown expression {type(expression).__name__}")

    def _check_size(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise TemplateError("expansion rules refer to themselves, or are nested too deeply")
        if len(self._graph.arcs) > MAX_NODES:
            raise TemplateError("a template allows too many pieces")

    def _rule(self, name: str, source: int, depth: int) -> int:
        rule = self._scope.rules.get(name)
        if rule is None:
            raise TemplateError(f"unknown expansion rule <{name}>")
        return self.add(rule.expression, source, depth + 1)

    def _text(self, text: str, source: int) -> int:
        if not text:
            return source
        target = self._graph.add_node()
        self._graph.add_arc(source, target, 1.0, _SPACE.sub(" ", text))
        return target

    def _branch(self, items: Sequence[tuple[float, Expression]], source: int, depth: int) -> int:
        target = self._graph.add_node()
        for probability, item in items:
            text = _plain_text(item)
            if text is not None:
                # Most items are values of lists: an arc does for one of them.
                self._graph.add_arc(source, target, probability, _SPACE.sub(" ", text))
                continue
            head = self._graph.add_node()
            self._graph.add_arc(source, head, probability)
            self._graph.add_arc(self.add(item, head, depth + 1), target)
        return target

    def _alternative(self, group: Alternative, source: int, depth: int) -> int:
        items = group.items
        if not group.is_optional or len(items) == 1:
            return self._branch([(1 / len(items), item) for item in items], source, depth)
        # hassil appends one empty item to an optional's own items.
        share = (1 - OPTIONAL_PROBABILITY) / (len(items) - 1)
        weighted = [(share, item) for item in items[:-1]]
        return self._branch([*weighted, (OPTIONAL_PROBABILITY, items[-1])], source, depth)

    def _permutation(self, group: Permutation, source: int, depth: int) -> int:
        count = len(group.items)
        if count > MAX_PERMUTED:
            raise TemplateError(f"a permutation of more than {MAX_PERMUTED} items")
        # One node for each set of items that are already said: 2^n nodes instead of n! sentences.
        everything = (1 << count) - 1
        nodes = {said: source if said == 0 else self._graph.add_node() for said in range(everything + 1)}
        for said in range(everything):
            left = [index for index in range(count) if not said >> index & 1]
            for index in left:
                head = self._graph.add_node()
                self._graph.add_arc(nodes[said], head, 1 / len(left))
                tail = self.add(group.items[index], head, depth + 1)
                self._graph.add_arc(tail, nodes[said | 1 << index])
        return nodes[everything]

    def _list(self, reference: ListReference, source: int, depth: int) -> int:
        inline = reference.get_inline_range()
        if inline is not None:
            return self._numbers(range(inline[0], inline[1] + 1, inline[2]), None, source)
        values = self._scope.lists.get(reference.list_name)
        match values:
            case TextSlotList():
                return self._values(reference.list_name, values, source, depth)
            case RangeSlotList():
                return self._numbers(list(values.get_numbers()), values.words_language, source)
            case WildcardSlotList():
                return self._any(reference, source, depth)
            case _:
                raise TemplateError(f"unknown list {{{reference.list_name}}}")

    def _values(self, name: str, values: TextSlotList, source: int, depth: int) -> int:
        own = place(name)
        share = SHARE if own and values.values else float(own is not None)
        items: list[tuple[float, Expression]] = [
            ((1 - share) / len(values.values), value.text_in) for value in values.values
        ]
        if own:
            items.append((share, TextChunk(f" {own} ")))
        return self._branch(items, source, depth) if items else self._nothing(source)

    def _numbers(self, numbers: Sequence[float], language: str | None, source: int) -> int:
        step = max(1, -(-len(numbers) // MAX_NUMBERS))
        said = [self._spell(number, language) for number in islice(numbers, 0, None, step)]
        target = self._graph.add_node()
        for ways in said:
            for way in ways:
                # Number words are joined by hyphens in some languages, but are words of their own.
                self._graph.add_arc(source, target, 1 / (len(said) * len(ways)), way.replace("-", " "))
        return target

    def _any(self, reference: ListReference, source: int, depth: int) -> int:
        phrases = self._wildcard(reference.list_name, reference.slot_name)
        if not phrases:
            return self._nothing(source)
        total = sum(phrase.weight for phrase in phrases)
        target = self._graph.add_node()
        outer = self._scope
        for phrase in phrases:
            head = self._graph.add_node()
            self._graph.add_arc(source, head, phrase.weight / total)
            self._scope = phrase.scope
            self._graph.add_arc(self.add(phrase.expression, head, depth + 1), target)
        self._scope = outer
        return target

    def _nothing(self, source: int) -> int:
        target = self._graph.add_node()
        self._graph.add_arc(source, target, 1.0, _NOTHING)
        self.has_gaps = True
        return target


def _plain_text(expression: Expression) -> str | None:
    """Return what an expression says if it can only be said in one way."""
    if isinstance(expression, TextChunk):
        return expression.original_text
    if isinstance(expression, Alternative | Permutation) or not isinstance(expression, Group):
        return None
    parts = [_plain_text(item) for item in expression.items]
    return None if None in parts else "".join(part for part in parts if part)
