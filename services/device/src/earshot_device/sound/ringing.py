"""Ringing until somebody stops it, or for so long.

One task rings for everything that is due, and has what comes with an announcement announced first, one after the other.
A turn of the user's silences it by the output's own rule; it goes on where it was. A loudspeaker that fails is tried again
for as long as something is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass

from earshot_chassis import telemetry
from earshot_device.core.ringbook import Occurrence
from earshot_device.sound import tones
from earshot_device.sound.output import Channel, Output
from earshot_device.tasks import end

_BLOCK_S = 0.1
_TRY_AGAIN_S = 1.0

_log = telemetry.logger("device.ringing")


@dataclass(slots=True)
class _Due:
    occurrence: Occurrence
    until: float
    unspoken: bool


class Ringer:
    """Rings while at least one occurrence is due.

    Args:
        output: The loudspeaker.
        announce: Has the words of an occurrence spoken; returns when that is over, however it went.
        rang_out: Called with an occurrence that has rung for as long as it may.
        ring_for_s: How long that is.
    """

    def __init__(
        self,
        output: Output,
        *,
        announce: Callable[[Occurrence], Awaitable[None]],
        rang_out: Callable[[str], None],
        ring_for_s: float,
    ) -> None:
        self._output = output
        self._announce = announce
        self._rang_out = rang_out
        self._ring_for_s = ring_for_s
        self._due: dict[str, _Due] = {}
        self._task: asyncio.Task[None] | None = None
        self._saying: tuple[str, asyncio.Task[None]] | None = None
        self._failing = False

    def ring(self, occurrence: Occurrence) -> None:
        """Ring for an occurrence, behind its announcement; once more is no change."""
        if occurrence.occurrence_id in self._due:
            return
        self._due[occurrence.occurrence_id] = _Due(
            occurrence=occurrence,
            until=asyncio.get_running_loop().time() + self._ring_for_s,
            unspoken=occurrence.announcement is not None,
        )
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="device-ring", context=Context())

    async def stop(self, occurrence_id: str) -> None:
        """Be silent about an occurrence; one that does not ring is no error."""
        self._due.pop(occurrence_id, None)
        if not self._due:
            await self._silence()
        elif self._saying is not None and self._saying[0] == occurrence_id:
            await end(self._saying[1])

    async def close(self) -> None:
        """Stop ringing."""
        self._due.clear()
        await self._silence()

    async def _silence(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await end(task)
            await self._output.discard(Channel.RING)

    async def _run(self) -> None:
        try:
            with self._output.hold(Channel.RING):
                while self._due:
                    await self._sound_or_wait()
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    async def _sound_or_wait(self) -> None:
        try:
            await self._sound()
        except Exception as error:  # noqa: BLE001 - whatever is wrong now may be right in a second
            if not self._failing:
                _log.error("ringing_failed", code="ringing_failed", exc_info=error)
            self._failing = True
            await asyncio.sleep(_TRY_AGAIN_S)
            self._end_what_is_over()

    async def _sound(self) -> None:
        period = tones.ring(self._output.rate)
        size = int(self._output.rate * _BLOCK_S)
        begin = 0
        while self._due:
            unspoken = next((due for due in self._due.values() if due.unspoken), None)
            if unspoken is not None:
                await self._say(unspoken)
                begin = 0
                continue
            await self._output.write(Channel.RING, period[begin : begin + size])
            self._failing = False
            begin = begin + size if begin + size < len(period) else 0
            self._end_what_is_over()

    async def _say(self, due: _Due) -> None:
        due.unspoken = False
        task = asyncio.ensure_future(self._announced(due.occurrence))
        self._saying = (due.occurrence.occurrence_id, task)
        try:
            await asyncio.wait({task})
        finally:
            self._saying = None
            await end(task)

    async def _announced(self, occurrence: Occurrence) -> None:
        try:
            await self._announce(occurrence)
        except Exception as error:  # noqa: BLE001 - it rings, whatever is wrong with its words
            _log.error("announcement_failed", exc_info=error)

    def _end_what_is_over(self) -> None:
        now = asyncio.get_running_loop().time()
        for name in [name for name, due in self._due.items() if now >= due.until]:
            del self._due[name]
            self._rang_out(name)
