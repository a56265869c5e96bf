"""Turns that this replica knows to be decided: spares a read when their deadline becomes due."""

from __future__ import annotations

from collections import OrderedDict

_KEEP = 10_000


class DecidedTurns:
    """The last turns that were seen to have their final outcome. Not knowing a turn means nothing."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, None] = OrderedDict()

    def add(self, turn_id: str) -> None:
        """Remember a turn."""
        self._turns[turn_id] = None
        if len(self._turns) > _KEEP:
            self._turns.popitem(last=False)

    def __contains__(self, turn_id: str) -> bool:
        return turn_id in self._turns
