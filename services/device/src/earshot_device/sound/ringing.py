"""Ringing until somebody stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context

from earshot_device.sound import tones
from earshot_device.sound.output import Channel, Output
from earshot_device.tasks import end

_BLOCK_S = 0.1


class Ringer:
    """Rings while at least one occurrence is due.

    Args:
        output: The loudspeaker.
        changed: Called when what rings has changed.
    """

    def __init__(self, output: Output, *, changed: Callable[[], None]) -> None:
        self._output = output
        self._changed = changed
        self._due: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def occurrences(self) -> tuple[str, ...]:
        """What rings, the oldest first."""
        return tuple(self._due)

    def ring(self, occurrence_id: str) -> None:
        """Ring for an occurrence; once more is no change."""
        if occurrence_id in self._due:
            return
        self._due[occurrence_id] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="device-ring", context=Context())
        self._changed()

    async def stop(self, occurrence_id: str) -> None:
        """Stop ringing for an occurrence; one that does not ring is no error."""
        if self._due.pop(occurrence_id, self) is self:
            return
        if not self._due:
            await self._silence()
        self._changed()

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
        period = tones.ring(self._output.rate)
        size = int(self._output.rate * _BLOCK_S)
        with self._output.hold(Channel.RING):
            while True:
                for begin in range(0, len(period), size):
                    await self._output.write(Channel.RING, period[begin : begin + size])
