"""Lays an utterance's words along a plain sentence's: the cheapest way to turn one into the other.

    cost of a word heard as another      (1 - likeness) x letters
    cost of a word left out              its letters, less for words that say little
    cost of a word too many              more than that: it may mean something else
    cost of an open slot                 the share of letters that its best choice differs by; nothing for free ones

Two words may be heard as one and one as two ("to morrow"). Letters weigh, so that losing "is" costs less than losing
"weather". The likeness of the whole is 1 - cost / weight of the sentence's words and of what fills its slots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from earshot_nlu.understanding.fuzzy.skeletons import OpenSlot, Skeleton
from earshot_nlu.understanding.language import Token

# Words that are less alike than this are not heard as one another.
_MIN_LIKENESS = 0.72
_MIN_JOINED_LIKENESS = 0.88
# Hearing one word as two, or two as one, costs half a letter.
_JOINING = 0.5
_MAX_SLOT_WORDS = 8


@dataclass(frozen=True, slots=True)
class Filling:
    """What an open slot takes: the text that is meant by the words heard, what that costs and what it weighs."""

    text: str
    cost: float
    weight: int


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
    skeleton: Skeleton, heard: Sequence[Token], likeness: Likeness, fill: Fill, *, least: float
) -> Alignment | None:
    """Return the cheapest alignment; None where it is less alike than the least."""
    # What fills the slots is known only at the end; until then all that was heard may do.
    most = skeleton.weight + (sum(len(token.text) for token in heard) if skeleton.valued else 0)
    table = _Table(skeleton, heard, likeness, fill, (1.0 - least) * most)
    for row in range(len(skeleton.pieces) + 1):
        for column in range(len(heard) + 1):
            if (row, column) in table.reached:
                table.go_on(row, column)
    end = table.reached.get((len(skeleton.pieces), len(heard)))
    if end is None:
        return None
    alike = 1.0 - end.cost / max(1, skeleton.weight + end.filled)
    return Alignment(alike, table.steps()) if alike >= least else None


@dataclass(frozen=True, slots=True)
class _Place:
    """The cheapest way to a place: its cost, the weight of the slots filled, and the step that led there."""

    cost: float
    filled: int
    row: int
    column: int
    text: str


class _Table:
    """Cheapest costs of the first `row` pieces against the first `column` words, and how each was reached."""

    def __init__(
        self, skeleton: Skeleton, heard: Sequence[Token], likeness: Likeness, fill: Fill, budget: float
    ) -> None:
        self._pieces = skeleton.pieces
        self._heard = heard
        self._likeness = likeness
        self._fill = fill
        self._width = len(heard) + 1
        self._budget = budget
        self.reached: dict[tuple[int, int], _Place] = {(0, 0): _Place(0.0, 0, 0, 0, "")}

    def go_on(self, row: int, column: int) -> None:
        """Take every step from a place."""
        here = self.reached[row, column]
        if column + 1 < self._width:
            over = here.cost + self._heard[column].excess
            self._reach(row, column + 1, _Place(over, here.filled, row, column, ""))
        if row == len(self._pieces):
            return
        piece = self._pieces[row]
        if isinstance(piece, OpenSlot):
            self._fill_slot(piece, row, column, here)
            return
        left_out = here.cost + piece.weight
        self._reach(row + 1, column, _Place(left_out, here.filled, row, column, piece.text))
        if column < len(self._heard):
            self._one_word(piece, row, column, here)
            self._two_heard(piece, row, column, here)
            self._two_meant(piece, row, column, here)

    def steps(self) -> tuple[Step, ...]:
        """Return the way to the last place."""
        steps: list[Step] = []
        row, column = len(self._pieces), self._width - 1
        while row or column:
            place = self.reached[row, column]
            steps.append(Step(place.column, column, place.text))
            row, column = place.row, place.column
        return tuple(reversed(steps))

    def _reach(self, row: int, column: int, place: _Place) -> None:
        known = self.reached.get((row, column))
        if place.cost <= self._budget and (known is None or place.cost < known.cost):
            self.reached[row, column] = place

    def _fill_slot(self, slot: OpenSlot, row: int, column: int, here: _Place) -> None:
        for end in range(column + 1, min(self._width, column + 1 + _MAX_SLOT_WORDS)):
            filling = self._fill(slot, column, end)
            if filling is not None:
                cost, filled = here.cost + filling.cost, here.filled + filling.weight
                self._reach(row + 1, end, _Place(cost, filled, row, column, filling.text))

    def _one_word(self, meant: Token, row: int, column: int, here: _Place) -> None:
        heard = self._heard[column]
        alike = self._likeness(heard, meant)
        if alike >= _MIN_LIKENESS:
            cost = here.cost + (1 - alike) * _letters(heard, meant)
            self._reach(row + 1, column + 1, _Place(cost, here.filled, row, column, meant.text))

    def _two_heard(self, meant: Token, row: int, column: int, here: _Place) -> None:
        if column + 1 >= len(self._heard) or not _may_join(self._heard[column], self._heard[column + 1], meant):
            return
        heard = _joined(self._heard[column], self._heard[column + 1])
        alike = self._likeness(heard, meant)
        if alike >= _MIN_JOINED_LIKENESS:
            cost = here.cost + (1 - alike) * _letters(heard, meant) + _JOINING
            self._reach(row + 1, column + 2, _Place(cost, here.filled, row, column, meant.text))

    def _two_meant(self, meant: Token, row: int, column: int, here: _Place) -> None:
        following = self._pieces[row + 1] if row + 1 < len(self._pieces) else None
        heard = self._heard[column]
        if not isinstance(following, Token) or not _may_join(meant, following, heard):
            return
        both = _joined(meant, following)
        alike = self._likeness(heard, both)
        if alike >= _MIN_JOINED_LIKENESS:
            cost = here.cost + (1 - alike) * _letters(heard, both) + _JOINING
            text = f"{meant.text} {following.text}"
            self._reach(row + 2, column + 1, _Place(cost, here.filled, row, column, text))


def _may_join(first: Token, second: Token, whole: Token) -> bool:
    """Tell whether two words can be one: the same beginning and nearly the same length."""
    return first.text[0] == whole.text[0] and abs(len(first.text) + len(second.text) - len(whole.text)) <= 1


def _letters(one: Token, other: Token) -> int:
    return max(len(one.text), len(other.text))


def _joined(one: Token, other: Token) -> Token:
    return Token(
        one.text + other.text,
        one.start,
        other.end,
        one.sound + other.sound,
        one.weight + other.weight,
        one.excess + other.excess,
    )
