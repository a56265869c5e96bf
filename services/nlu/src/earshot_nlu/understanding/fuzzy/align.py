"""Lays an utterance's words along a plain sentence's: the cheapest way to turn one into the other.

    cost of a word heard as another      (1 - likeness) x letters, at most that of leaving one out and one over
    cost of a word left out or over      its letters
    cost of an open slot                 the share of letters that its best choice differs by; nothing for free ones

Two words may be heard as one and one as two ("to morrow"). Letters weigh, so that losing "is" costs less than losing
"weather". The likeness of the whole is 1 - cost / letters of sentence and utterance outside the free slots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from earshot_nlu.understanding.fuzzy.skeletons import OpenSlot, Skeleton
from earshot_nlu.understanding.language import Token

# Words that are less alike than this are not heard as one another.
MIN_LIKENESS = 0.72
_MIN_JOINED_LIKENESS = 0.88
_MAX_SLOT_WORDS = 8
_ENDLESS = 1e9


@dataclass(frozen=True, slots=True)
class Filling:
    """What an open slot takes: the text that is meant by the words heard, and what that costs."""

    text: str
    cost: float


Fill = Callable[[OpenSlot, int, int], Filling | None]
Likeness = Callable[[Token, Token], float]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an alignment: words [start, end) of the utterance are meant as `text`; "" where they are over."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Alignment:
    """The cheapest alignment: its likeness, 0 to 1, and its steps in order."""

    likeness: float
    steps: tuple[Step, ...]


def align(
    skeleton: Skeleton, heard: Sequence[Token], likeness: Likeness, fill: Fill, *, budget: float
) -> Alignment | None:
    """Return the cheapest alignment; None where it costs more than the budget, in letters."""
    pieces = skeleton.pieces
    width = len(heard) + 1
    costs = [[_ENDLESS] * width for _ in range(len(pieces) + 1)]
    back: list[list[tuple[int, int, str] | None]] = [[None] * width for _ in range(len(pieces) + 1)]
    costs[0][0] = 0.0

    def reach(row: int, column: int, cost: float, came: tuple[int, int, str]) -> None:
        if cost < costs[row][column] and cost <= budget:
            costs[row][column] = cost
            back[row][column] = came

    for row in range(len(pieces) + 1):
        piece = pieces[row] if row < len(pieces) else None
        for column in range(width):
            cost = costs[row][column]
            if cost > budget:
                continue
            if column + 1 < width:
                reach(row, column + 1, cost + len(heard[column].text), (row, column, ""))
            if isinstance(piece, OpenSlot):
                for end in range(column + 1, min(width, column + 1 + _MAX_SLOT_WORDS)):
                    filling = fill(piece, column, end)
                    if filling is not None:
                        reach(row + 1, end, cost + filling.cost, (row, column, filling.text))
            elif piece is not None:
                following = pieces[row + 1] if row + 1 < len(pieces) else None
                _words(piece, following, heard, likeness, reach, row, column, cost)
    total = costs[len(pieces)][width - 1]
    if total > budget:
        return None
    steps = _steps(back, len(pieces), width - 1)
    return Alignment(1.0 - total / max(1.0, float(skeleton.weight)), steps)


def _words(
    meant: Token,
    following: Token | OpenSlot | None,
    heard: Sequence[Token],
    likeness: Likeness,
    reach: Callable[[int, int, float, tuple[int, int, str]], None],
    row: int,
    column: int,
    cost: float,
) -> None:
    reach(row + 1, column, cost + len(meant.text), (row, column, meant.text))
    if column >= len(heard):
        return
    word = heard[column]
    alike = likeness(word, meant)
    if alike >= MIN_LIKENESS:
        reach(row + 1, column + 1, cost + (1 - alike) * _letters(word, meant), (row, column, meant.text))
    if column + 1 < len(heard):
        both = _joined(word, heard[column + 1])
        alike = likeness(both, meant) if both.text[0] == meant.text[0] else 0.0
        if alike >= _MIN_JOINED_LIKENESS:
            reach(row + 1, column + 2, cost + (1 - alike) * _letters(both, meant) + 0.5, (row, column, meant.text))
    if isinstance(following, Token) and word.text[0] == meant.text[0]:
        both = _joined(meant, following)
        alike = likeness(word, both)
        if alike >= _MIN_JOINED_LIKENESS:
            text = f"{meant.text} {following.text}"
            reach(row + 2, column + 1, cost + (1 - alike) * _letters(word, both) + 0.5, (row, column, text))


def _letters(one: Token, other: Token) -> int:
    return max(len(one.text), len(other.text))


def _joined(one: Token, other: Token) -> Token:
    return Token(one.text + other.text, one.start, other.end, one.sound + other.sound)


def _steps(back: list[list[tuple[int, int, str] | None]], row: int, column: int) -> tuple[Step, ...]:
    steps: list[Step] = []
    while row or column:
        came = back[row][column]
        if came is None:
            break
        steps.append(Step(came[1], column, came[2]))
        row, column = came[0], came[1]
    return tuple(reversed(steps))
