"""Turns that this replica knows to be decided: spares a read when their deadline becomes due."""

from __future__ import annotations

from collections import OrderedDict

from earshot_topology.subjects import DeviceAddress

_KEEP = 10_000


class DecidedTurns:
    """The last turns that were seen to have their final outcome. Not knowing a turn means nothing."""

    def __init__(self) -> None:
        self._turns: OrderedDict[tuple[DeviceAddress, str], None] = OrderedDict()

    def add(self, address: DeviceAddress, turn_id: str) -> None:
        """Remember a device's turn."""
        self._turns[address, turn_id] = None
        if len(self._turns) > _KEEP:
            self._turns.popitem(last=False)

    def holds(self, address: DeviceAddress, turn_id: str) -> bool:
        """Tell whether a device's turn is remembered."""
        return (address, turn_id) in self._turns
