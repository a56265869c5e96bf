"""A loudspeaker that tells when which occurrence rings: the sound is its own, what it is for is what the device says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chaos.sounding import RATE
from chaos.timer_checker import Rang
from earshot_device.core.events import Happening, StateChanged
from earshot_device.sound import tones

Samples = NDArray[np.int16]

_BLOCK: Final = RATE // 10
# One block may be on its way when the last ringing is stopped.
_ORPHANS: Final = 5


def _sounding_blocks() -> set[bytes]:
    period = tones.ring(RATE)
    blocks = [period[begin : begin + _BLOCK] for begin in range(0, len(period), _BLOCK)]
    return {block.tobytes() for block in blocks if block.any()}


class RingEar:
    """Writes down what rang; see `earshot_device.Sink`.

    Args:
        device: Whose loudspeaker it is.
    """

    def __init__(self, device: str) -> None:
        self.rings: list[Rang] = []
        self._device = device
        self._ring = _sounding_blocks()
        self._due: dict[str, Rang | None] = {}
        self._orphans = 0
        self._waiting: list[tuple[Callable[[], object], asyncio.Future[None]]] = []

    def happened(self, happening: Happening) -> None:
        """Hear from the device what it rings for from now on."""
        if not isinstance(happening, StateChanged):
            return
        for name in [name for name in self._due if name not in happening.ringing]:
            rang = self._due.pop(name)
            if rang is not None:
                rang.ended_at = time.monotonic()
        for name in happening.ringing:
            self._due.setdefault(name, None)
        self._changed()

    def sounding(self, schedule_id: str) -> Rang | None:
        """Return how a schedule rings at the moment, if it does."""
        return next((rang for rang in self._due.values() if rang is not None and rang.schedule_id == schedule_id), None)

    async def until(self, ready: Callable[[], object], timeout_s: float) -> bool:
        """Wait until something is so; tell whether it is."""
        if not ready():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((ready, future))
            await asyncio.wait({future}, timeout=timeout_s)
            self._waiting.remove((ready, future))
        return bool(ready())

    async def open(self, rate: int) -> None:
        assert rate == RATE

    async def write(self, samples: Samples) -> None:
        if samples.tobytes() not in self._ring:
            return
        now = time.monotonic()
        self._orphans = 0 if self._due else self._orphans + 1
        if self._orphans == _ORPHANS:
            self.rings.append(Rang(device=self._device, occurrence_id="", began_at=now, ended_at=now))
        for name in [name for name, rang in self._due.items() if rang is None]:
            rang = self._due[name] = Rang(device=self._device, occurrence_id=name, began_at=now)
            self.rings.append(rang)
        self._changed()

    async def discard(self) -> None:
        """What was written has been heard."""

    async def close(self) -> None:
        """Nothing is held."""

    def _changed(self) -> None:
        for ready, future in self._waiting:
            if not future.done() and ready():
                future.set_result(None)
