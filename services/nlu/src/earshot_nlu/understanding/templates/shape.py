"""What a text must look like for a sentence template to match it: two filters before hassil, which is exact but slow.

`fragments` gives literal pieces of which a matching text holds at least one each; the index is made of them. `shape`
gives a regular expression over the text without its spaces, in which lists stand for anything. Both drop only what
can't match. Spaces are left out because where one may be missing beside an optional word is hassil's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hassil.expression import Alternative, Expression, Group, Permutation, RuleReference, Sentence, TextChunk

Clauses = set[frozenset[str]]


def fragments(expression: Expression, rules: Mapping[str, Sentence]) -> Clauses:
    """Return what a matching text must hold: of every set at least one.

    Args:
        expression: Of a template whose rules all exist and do not hold themselves.
        rules: By name.
    """
    if isinstance(expression, TextChunk):
        return {frozenset((piece,)) for piece in expression.text.casefold().split()}
    if isinstance(expression, RuleReference):
        return fragments(rules[expression.rule_name].expression, rules)
    if isinstance(expression, Alternative):
        branches = [fragments(item, rules) for item in expression.items]
        if expression.is_optional or not branches or not all(branches):
            return set()
        return {_union(max(branch, key=_telling) for branch in branches)}
    if isinstance(expression, Group):
        return {clause for item in expression.items for clause in fragments(item, rules)}
    return set()


def shape(expression: Expression, rules: Mapping[str, Sentence]) -> re.Pattern[str]:
    """Return a pattern that the whole of a matching text fits, both without white space and case-folded."""
    return re.compile(_pattern(expression, rules))


def squeezed(text: str) -> str:
    """Return a text as shapes are matched against it."""
    return "".join(text.casefold().split())


def _telling(clause: frozenset[str]) -> tuple[int, list[str]]:
    """Long fragments tell more than short ones."""
    return min(len(fragment) for fragment in clause), sorted(clause)


def _union(clauses: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset(fragment for clause in clauses for fragment in clause)


def _pattern(expression: Expression, rules: Mapping[str, Sentence]) -> str:
    if isinstance(expression, TextChunk):
        return re.escape(squeezed(expression.text))
    if isinstance(expression, RuleReference):
        return _pattern(rules[expression.rule_name].expression, rules)
    if isinstance(expression, Group):
        parts = [_pattern(item, rules) for item in expression.items]
        if isinstance(expression, Alternative):
            return f"(?:{'|'.join(parts)})"
        if isinstance(expression, Permutation):
            return f"(?:{'|'.join(parts)}){{{len(parts)}}}"
        return "".join(parts)
    return ".+"
