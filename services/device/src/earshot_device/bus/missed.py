"""Asking, after each new connection, for directives that came while there was none.

It asks twice. What is directed in the moment of connecting may be stored too late for the first answer and yet not reach
the subscription: measured on a loaded machine, 4 of 213 that were sent right behind the subscription's acknowledgement.
"""

from __future__ import annotations

import asyncio
import random
from contextvars import Context

from earshot_device.bus import wire
from earshot_device.bus.link import Link
from earshot_device.tasks import end

_TIMEOUT_S = 2.0
_FIRST_PAUSE_S = 0.3
_LONGEST_PAUSE_S = 5.0
_AGAIN_S = 2.0
_TIMES = 2


class MissedDirectives:
    """Asks until somebody has answered twice, or the connection is lost again. The directives come on their own subject.

    Args:
        link: The connection.
        subject: device.<household>.<device>.up.directives.
    """

    def __init__(self, link: Link, *, subject: str) -> None:
        self._link = link
        self._subject = subject
        self._task: asyncio.Task[None] | None = None

    async def ask(self) -> None:
        """Begin to ask, instead of what still asks on the connection before."""
        await self.stop()
        self._task = asyncio.create_task(self._until_answered(), name="device-missed", context=Context())

    async def stop(self) -> None:
        """Ask no more."""
        task, self._task = self._task, None
        await end(task)

    async def _until_answered(self) -> None:
        pause_s, answered = _FIRST_PAUSE_S, 0
        while self._link.connected:
            if await self._link.ask(self._subject, wire.directives_request(), timeout_s=_TIMEOUT_S) is not None:
                answered += 1
                if answered == _TIMES:
                    return
                await asyncio.sleep(_AGAIN_S)
                continue
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads devices, no secret
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
