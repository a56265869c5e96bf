"""Finds time expressions in a text: patterns of a language give pieces, neighbouring pieces make one expression.

"tomorrow" "at 5 pm" is one expression of two pieces, a day and a clock, and each of its runs is one as well: a template
may say "{date} at {time}" or just "{when}". A piece's pattern gives its parts by regular-expression groups; a builder
turns a match into a part of `When`, or None where the words only look like one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import TypeVar

from earshot_nlu.understanding.values.calendar import Clock, Days, Distance, Part, When

T = TypeVar("T")

# What a builder may return: one part, or a day together with a part of it ("tonight").
Said = Days | Clock | Part | Distance | tuple[Days, Part]
Builder = Callable[[re.Match[str], date], Said | None]


class Place(Enum):
    """What a piece says; an expression says each at most once."""

    DAY = "day"
    CLOCK = "clock"
    PART = "part"
    DISTANCE = "distance"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way to say a piece."""

    places: frozenset[Place]
    expression: re.Pattern[str]
    build: Builder


@dataclass(frozen=True, slots=True)
class Piece:
    """A match of a pattern."""

    start: int
    end: int
    pattern: Pattern
    match: re.Match[str]


def pattern(places: str, expression: str, build: Builder) -> Pattern:
    """Return a pattern.

    Args:
        places: Names of the places it fills, separated by spaces.
        expression: A regular expression, verbose.
        build: Turns a match into what it says.
    """
    return Pattern(frozenset(Place(name) for name in places.split()), re.compile(expression, re.VERBOSE), build)


class Scanner:
    """Scans texts of one language.

    Args:
        patterns: Tried in this order at each position; the longest match wins, the first among equals.
        joint: What may stand between two pieces of one expression.
    """

    def __init__(self, patterns: Sequence[Pattern], joint: str) -> None:
        self._patterns = tuple(patterns)
        self._joint = re.compile(joint)

    def pieces(self, text: str) -> list[Piece]:
        """Return the pieces of a text, left to right, without overlaps."""
        found: list[Piece] = []
        for candidate in self._patterns:
            found.extend(
                Piece(match.start(), match.end(), candidate, match) for match in candidate.expression.finditer(text)
            )
        found.sort(key=lambda piece: (piece.start, -piece.end))
        kept: list[Piece] = []
        end = 0
        for piece in found:
            if piece.start >= end:
                kept.append(piece)
                end = piece.end
        return kept

    def expressions(self, text: str) -> list[tuple[int, int]]:
        """Return the spans of all expressions: the longest ones and every run of pieces in them."""
        return [
            (run[first].start, run[last].end)
            for run in self._runs(text)
            for first in range(len(run))
            for last in range(first, len(run))
            if _fits(run[first : last + 1])
        ]

    def read(self, text: str, today: date) -> When | None:
        """Return what a text says about a time; None unless the whole of it is one expression."""
        runs = self._runs(text.strip())
        if len(runs) != 1:
            return None
        (run,) = runs
        if run[0].start > 0 or run[-1].end < len(text.strip()) or not _fits(run):
            return None
        said: dict[type, Said] = {}
        for piece in run:
            built = piece.pattern.build(piece.match, today)
            if built is None:
                return None
            for part in built if isinstance(built, tuple) else (built,):
                said[type(part)] = part
        return When(days=_of(said, Days), clock=_of(said, Clock), part=_of(said, Part), distance=_of(said, Distance))

    def _runs(self, text: str) -> list[list[Piece]]:
        runs: list[list[Piece]] = []
        for piece in self.pieces(text):
            if runs and self._joint.fullmatch(text, runs[-1][-1].end, piece.start):
                runs[-1].append(piece)
            else:
                runs.append([piece])
        return runs


def _fits(run: Sequence[Piece]) -> bool:
    places: set[Place] = set()
    for piece in run:
        if not places.isdisjoint(piece.pattern.places):
            return False
        places |= piece.pattern.places
    return Place.DISTANCE not in places or len(places) == 1


def _of(said: dict[type, Said], kind: type[T]) -> T | None:
    value = said.get(kind)
    return value if isinstance(value, kind) else None
