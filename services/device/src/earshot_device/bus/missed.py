"""Asking for directives that came while there was no connection, or that a connection did not bring.

After each new connection it asks twice: what is directed in the moment of connecting may be stored too late for the first
answer and yet not reach the subscription: measured on a loaded machine, 4 of 213 that were sent right behind the
subscription's acknowledgement. Then it asks now and then: a node of the bus that is parted from the others keeps its
clients, and they are not told that they hear nothing.

Where nobody answers although the connection stands, the device leaves for another server; ever more rarely, because it may
be the cloud that is gone. A replica at the same parted node answers that it can't reach the streams: nobody has answered.
Any other refusal is an answer: what it was asked for can't be had at the moment, but the node is not alone.
"""

from __future__ import annotations

import asyncio
import random
from contextvars import Context

from earshot_device.bus import wire
from earshot_device.bus.link import Link
from earshot_device.errors import RequestRefusedError
from earshot_device.tasks import end

_TIMEOUT_S = 2.0
_FIRST_PAUSE_S = 0.3
_LONGEST_PAUSE_S = 5.0
_AGAIN_S = 2.0
_TIMES = 2
# Questions without an answer before it leaves: 5 to 15 s. With the longest patience it is some minutes.
_PATIENCE = 5
_LONGEST_PATIENCE = 40
_STREAMS_AWAY = "bus_unavailable"


class MissedDirectives:
    """Asks for as long as the connection stands. The directives come on their own subject.

    Args:
        link: The connection.
        subject: device.<household>.<device>.up.directives.
        every_s: About how often, when nothing else is a reason to.
    """

    def __init__(self, link: Link, *, subject: str, every_s: float) -> None:
        self._link = link
        self._subject = subject
        self._every_s = every_s
        self._patience = _PATIENCE
        self._unanswered = 0
        self._task: asyncio.Task[None] | None = None

    async def ask(self) -> None:
        """Begin to ask, instead of what still asks on the connection before."""
        await self.stop()
        self._unanswered = 0
        self._task = asyncio.create_task(self._keep_asking(), name="device-missed", context=Context())

    async def doubt(self) -> None:
        """Ask now, unless it does: something else went unanswered."""
        if not self._unanswered:
            await self.ask()

    async def stop(self) -> None:
        """Ask no more."""
        task, self._task = self._task, None
        await end(task)

    async def _keep_asking(self) -> None:
        pause_s, answered = _FIRST_PAUSE_S, 0
        while self._link.connected:
            try:
                heard = await self._link.request(self._subject, wire.directives_request(), timeout_s=_TIMEOUT_S)
            except RequestRefusedError as refusal:
                self._unanswered = self._unanswered + 1 if refusal.code == _STREAMS_AWAY else 0
            else:
                if heard is not None:
                    answered += 1
                    pause_s, self._unanswered, self._patience = _FIRST_PAUSE_S, 0, _PATIENCE
                    await asyncio.sleep(_AGAIN_S if answered < _TIMES else self._every_s * _about_one())
                    continue
                self._unanswered += 1
            # What is directed while something is off may come too late for the next answer, as after connecting.
            answered = 0
            if self._unanswered >= self._patience:
                self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
                if await self._link.leave():
                    return
                self._unanswered = 0
            await asyncio.sleep(pause_s * _about_one())
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _about_one() -> float:
    return random.uniform(0.5, 1.5)  # noqa: S311 - spreads devices, no secret
