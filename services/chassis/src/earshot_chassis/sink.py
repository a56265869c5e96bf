"""A subscription that calls a plain function for every message, in the connection's own read loop.

nats-py gives a subscription with a coroutine a queue and a task of its own, which costs more than all else that happens
to a frame. A subscription made with `future=` is handed its messages directly; a Sink is such a future that is never
done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nats.aio.msg import Msg

from earshot_chassis import telemetry

_log = telemetry.logger("sink")


class Sink(asyncio.Future[Msg]):
    """Pass it as `future=` to `Client.subscribe`; end it by unsubscribing."""

    def __init__(self, function: Callable[[Msg], None]) -> None:
        super().__init__()
        self._function = function

    def set_result(self, result: Msg, /) -> None:
        """Hand one message over. What the function raises is logged: it must not end the connection's read loop."""
        try:
            self._function(result)
        except Exception as error:  # noqa: BLE001 - see above
            _log.error("message_failed", exc_info=error)
