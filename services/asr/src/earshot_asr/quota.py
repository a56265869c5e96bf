"""What a household may use: rules, and one worker's knowledge of who is using what. Pure, told the time.

    utterances a window   counted on the bus, where all workers count (`counting`); here as far as this worker counted
    utterances at once    known from what workers tell each other when they begin and end
    bytes a window        likewise, when an utterance ends
    refusals spoken       counted like utterances: a flood is answered in words once, then in silence

Time is wall-clock time, because workers have to agree on the window; they may differ by what their clocks do.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

# Longer than any utterance is listened to: the owner of one that is older died, and so did whoever should have followed.
_FORGET_AFTER_S: Final = 90.0
_REMEMBERED: Final = 10_000


class Excess(StrEnum):
    """Which quota is used up; values label metrics."""

    UTTERANCES = "utterances"
    CONCURRENT = "concurrent"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRules:
    """What one household may use; 0 stands for no limit.

    Attributes:
        utterances: Utterances in one window.
        concurrent: Utterances at once.
        bytes: Bytes of audio in one window, frames as they were sent.
        spoken: Refusals in one window that the user hears.
        window_s: Length of a window.
    """

    utterances: int = 300
    concurrent: int = 12
    bytes: int = 64 << 20
    spoken: int = 1
    window_s: float = 60.0

    def window(self, now: float) -> int:
        """Return the number of the window that a moment lies in."""
        return int(now // self.window_s)


class Place(NamedTuple):
    """Which of several utterances came first: by the clock of whoever took it, then by its owner's name."""

    began_at: float
    owner: str


@dataclass(slots=True)
class _Active:
    place: Place
    epoch: int
    start: int
    seen_at: float


@dataclass(slots=True)
class _Household:
    window: int
    turns: int = 0
    refusals: int = 0
    bytes: int = 0
    full: bool = False
    hushed: bool = False
    active: dict[str, _Active] = field(default_factory=dict)


class Books:
    """Who uses what, as far as one worker knows."""

    def __init__(self, rules: QuotaRules) -> None:
        self._rules = rules
        self._households: dict[str, _Household] = {}
        self._done: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._swept = 0

    def began(self, household: str, turn: str, place: Place, epoch: int, start: int, now: float) -> None:
        """Note that somebody took an utterance; a later delivery's owner takes it over.

        Where the count of deliveries was lost, the later one of the same start has the same number.
        """
        active = self._of(household, now).active
        known = active.get(turn)
        again = known is not None and (epoch, start) == (known.epoch, known.start) and place > known.place
        if known is None or epoch > known.epoch or again:
            active[turn] = _Active(place=place, epoch=epoch, start=start, seen_at=now)

    def ended(self, household: str, turn: str, owner: str, size: int, now: float) -> None:
        """Note that its owner is done with it; what others say of it who lost it is not believed."""
        book = self._of(household, now)
        book.bytes += size
        known = book.active.get(turn)
        if known is not None and known.place.owner == owner:
            del book.active[turn]
            self.remember(household, turn, known.start)

    def remember(self, household: str, turn: str, start: int) -> None:
        """Remember by which start an utterance came that is done with, or was refused: one of many, for a while."""
        self._done[household, turn] = start
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)

    def start_of(self, household: str, turn: str, now: float) -> int | None:
        """Return by which start an utterance is somebody's, or lately was, or was refused; None where it is not known."""
        known = self._of(household, now).active.get(turn)
        return self._done.get((household, turn)) if known is None else known.start

    def used_up(self, household: str, now: float) -> Excess | None:
        """Return a quota that is known to be used up for the rest of the window, without counting anything."""
        book = self._of(household, now)
        if book.full:
            return Excess.UTTERANCES
        if self._rules.bytes and book.bytes >= self._rules.bytes:
            return Excess.BYTES
        return None

    def count_turn(self, household: str, now: float) -> int:
        """Count an utterance of this worker; return how many it counted in this window."""
        book = self._of(household, now)
        book.turns += 1
        return book.turns

    def over_rate(self, household: str, count: int, now: float) -> bool:
        """Tell whether the count-th utterance of the window is one too many, and remember that it was."""
        if not self._rules.utterances or count <= self._rules.utterances:
            return False
        self._of(household, now).full = True
        return True

    def crowded(self, household: str, turn: str, now: float) -> bool:
        """Tell whether as many others as may be at once came before an utterance that began."""
        if not self._rules.concurrent:
            return False
        active = self._of(household, now).active
        mine = active.get(turn)
        if mine is None:
            return False
        for stale in [key for key, each in active.items() if now - each.seen_at > _FORGET_AFTER_S]:
            del active[stale]
        return sum(each.place < mine.place for each in active.values()) >= self._rules.concurrent

    def hushed(self, household: str, now: float) -> bool:
        """Tell whether the household has heard enough refusals in this window."""
        return self._of(household, now).hushed

    def count_refusal(self, household: str, now: float) -> int:
        """Count a refusal of this worker; return how many it counted in this window."""
        book = self._of(household, now)
        book.refusals += 1
        return book.refusals

    def aloud(self, household: str, count: int, now: float) -> bool:
        """Tell whether the count-th refusal of the window is spoken, and remember where they end."""
        if count <= self._rules.spoken:
            return True
        self._of(household, now).hushed = True
        return False

    def _of(self, household: str, now: float) -> _Household:
        window = self._rules.window(now)
        if window > self._swept:
            self._sweep(window, now)
        book = self._households.get(household)
        if book is None:
            book = self._households[household] = _Household(window=window)
        elif window > book.window:
            book.window, book.turns, book.refusals, book.bytes = window, 0, 0, 0
            book.full = book.hushed = False
        return book

    def _sweep(self, window: int, now: float) -> None:
        """Forget households of which nothing was heard since the window before."""
        self._swept = window
        for name, book in list(self._households.items()):
            busy = any(now - each.seen_at <= _FORGET_AFTER_S for each in book.active.values())
            if book.window < window and not busy:
                del self._households[name]
