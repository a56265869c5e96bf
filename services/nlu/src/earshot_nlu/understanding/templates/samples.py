"""Plain sentences of a template, never more than wanted at any level.

hassil's own sampling makes all sentences of every group before it joins them, which a rule with twenty optional words
turns into a million. Here each level keeps the shortest and, evenly chosen, some of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice, permutations, zip_longest

from hassil.expression import (
    Alternative,
    Expression,
    Group,
    ListReference,
    Permutation,
    RuleReference,
    Sentence,
    TextChunk,
)

_MOST_CHOICES = 48
_MOST_ORDERS = 24


Written = Callable[[ListReference], str]


def by_list(item: ListReference) -> str:
    """Return a list as templates write it: "{name}"."""
    return f"{{{item.list_name}}}"


def samples(expression: Expression, rules: Mapping[str, Sentence], most: int, written: Written = by_list) -> list[str]:
    """Return sentences that an expression matches.

    Args:
        expression: Of a template whose rules all exist and do not hold themselves.
        rules: By name.
        most: How many at most.
        written: What stands for a list.
    """
    found: list[str] = []
    if isinstance(expression, TextChunk):
        found = [expression.text]
    elif isinstance(expression, ListReference):
        found = [written(expression)]
    elif isinstance(expression, RuleReference):
        found = samples(rules[expression.rule_name].expression, rules, most, written)
    elif isinstance(expression, Alternative):
        found = _some(_in_turn(samples(item, rules, most, written) for item in expression.items), most)
    elif isinstance(expression, Permutation):
        items = [samples(item, rules, _MOST_CHOICES, written) for item in expression.items]
        orders = islice(permutations(items), _MOST_ORDERS)
        found = _some(_in_turn(_joined(order, most) for order in orders), most)
    elif isinstance(expression, Group):
        found = _joined([samples(item, rules, _MOST_CHOICES, written) for item in expression.items], most)
    return found


def _joined(parts: Iterable[list[str]], most: int) -> list[str]:
    texts = [""]
    for choices in parts:
        texts = _some([text + choice for text in texts for choice in choices], most)
    return texts


def _in_turn(groups: Iterable[list[str]]) -> list[str]:
    """Return the first of every group, then the second, so that none is crowded out."""
    return [text for row in zip_longest(*groups) for text in row if text is not None]


def _some(texts: Iterable[str], most: int) -> list[str]:
    different = list(dict.fromkeys(texts))
    if len(different) <= most:
        return different
    different.sort(key=len)
    shortest = most * 3 // 4
    others = different[shortest:]
    return different[:shortest] + others[:: -(-len(others) // (most - shortest))]
