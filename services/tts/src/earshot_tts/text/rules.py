"""How a locale's rules are written down: a pattern and what a match becomes, applied in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# An address without "https://" is known by its beginning or its end.
BARE_HOST = r"(?:www\.[\w.-]+\w|(?<![\w.@-])(?:[A-Za-z\d-]+\.)+(?:com|org|net|edu|gov|info|dev|app|cn|io|ai|co\.uk)\b(?!@|\.\w|-))"

Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """Every match of the pattern becomes its replacement. What one rule wrote, the later ones may read."""

    pattern: re.Pattern[str]
    replacement: Replacement


def rule(pattern: str, replacement: Replacement, flags: int = 0) -> Rule:
    """Return a rule; the pattern is read with re.VERBOSE off, so blanks count."""
    return Rule(re.compile(pattern, flags), replacement)


def rewrite(text: str, rules: Iterable[Rule]) -> str:
    """Apply rules in their order."""
    for each in rules:
        text = each.pattern.sub(each.replacement, text)
    return text
