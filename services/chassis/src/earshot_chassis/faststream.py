"""FastStream as Earshot uses it: protobuf payloads, manual acknowledgement, n single-message loops on one durable.

Its own middlewares are left out: they would put concrete subjects in names. What happens to a message is `consuming`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from faststream.middlewares import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.message import NatsMessage
from faststream.nats.security import NatsCredentials, NatsSecurity
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from earshot_chassis import tasks, telemetry
from earshot_chassis.consuming import HAND_OVER_S, REQUEST, Consuming, DurableConsumer
from earshot_chassis.settings import PING_INTERVAL_S, ServiceSettings

_DISCONNECT_S = 0.5
# How long a round trip may take before it is taken for lost.
_CATCH_UP_S = 1.0
# Between a request's end here and at the server, when both are busy.
_LATE_S = 0.5
_log = telemetry.logger("bus")


class DeliveryCodec:
    """Hands the raw message over: `consuming` decodes it, so that what does not parse is parked instead of lost."""

    async def decode(self, message: NatsMessage) -> Msg:
        """Return the raw message."""
        return message.raw_message

    async def encode(self, message: Any, serializer: Any = None) -> tuple[bytes, str | None]:
        """Refuse: publishing is `publishing`'s, which waits for acknowledgements."""
        del message, serializer
        raise TypeError("publish through the Bus")


class Broker:
    """The FastStream broker of one service.

    Args:
        settings: Where the bus is.
        name: The service.
        closed: Called when its connection is closed for good.
    """

    def __init__(self, settings: ServiceSettings, name: str, *, closed: Callable[[], Awaitable[None]]) -> None:
        self._inbox = f"_INBOX_{name}"
        tls = settings.nats_tls()
        security: NatsSecurity | None = None
        if settings.nats_credentials:
            security = NatsCredentials.from_file(settings.nats_credentials, ssl_context=tls)
        elif tls is not None:
            security = NatsSecurity(ssl_context=tls)
        self._broker = NatsBroker(
            settings.nats_url.split(","),
            name=f"earshot-{name}/{settings.instance_id}/handlers",
            security=security,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,  # type: ignore[arg-type]  # nats-py sleeps any number of seconds
            ping_interval=PING_INTERVAL_S,
            inbox_prefix=self._inbox,
            closed_cb=self._on_closed,
            codec=DeliveryCodec(),  # type: ignore[arg-type]  # its protocol is internal; this has its shape
            ack_policy=AckPolicy.MANUAL,
            apply_types=False,
            graceful_timeout=None,
            logger=_logger(),
        )
        self._consuming: list[Consuming] = []
        self._stands_s = 0.0
        self._closed = closed

    async def start(self, handlers: list[tuple[Consuming, DurableConsumer, int]]) -> None:
        """Connect and begin to fetch."""
        for consuming, consumer, concurrency in handlers:
            self._consuming.append(consuming)
            stands_s = consumer.ack_wait_s * REQUEST
            self._stands_s = max(self._stands_s, stands_s)
            for _ in range(concurrency):
                self._broker.subscriber(
                    consumer.filter_subject,
                    durable=consumer.durable,
                    stream=JStream(consumer.stream, declare=False),
                    pull_sub=PullSub(batch_size=1, timeout=stands_s),
                    inbox_prefix=f"{self._inbox}.".encode(),
                )(consuming.consume)
        await self._broker.start()

    async def stop(self, timeout_s: float) -> None:
        """Fetch no more, wait for what is in progress, hand over what still is then, disconnect."""
        # Lets fetch loops end by themselves; cancelling a fetch could strand a message on its way to us.
        lasts = self._fetch_no_more()
        loop = asyncio.get_running_loop()
        give_up = loop.time() + timeout_s
        await asyncio.sleep(self._stands_s + _LATE_S)
        await asyncio.gather(*(last.caught_up() for last in lasts[:1]))
        await asyncio.gather(*(consuming.idle(give_up - loop.time()) for consuming in self._consuming))
        # Fails where the bus is away; then there is nothing to take leave of.
        disconnecting = loop.create_task(self._broker.stop())
        await asyncio.wait({disconnecting}, timeout=_DISCONNECT_S)
        await tasks.end([disconnecting], HAND_OVER_S)
        if not disconnecting.cancelled() and disconnecting.done() and (error := disconnecting.exception()) is not None:
            _log.warning("disconnecting_failed", error=type(error).__name__)

    def _fetch_no_more(self) -> list[_NoMore]:
        lasts: list[_NoMore] = []
        for registered in self._broker.subscribers:
            subscriber: Any = registered
            # Not its `running`: what a subscriber that does not run still fetches, it drops without a word.
            if subscriber.subscription is not None:
                lasts.append(_NoMore(subscriber.subscription))
                subscriber.subscription = lasts[-1]
        return lasts

    async def _on_closed(self) -> None:
        # On a closed connection every fetch fails at once: the loops would leave no time for anything else.
        self._fetch_no_more()
        await self._closed()


class _NoMore:
    """A subscription whose fetches that have begun go on, and after which there are no others."""

    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription

    async def fetch(self, **_request: Any) -> list[Msg]:
        """Return what comes after the last request has run out here; on a busy machine it runs out later at the server."""
        with suppress(NatsError):
            while True:
                late = await self._subscription._sub.next_msg(timeout=None)  # noqa: SLF001 - the only way to what has come
                # A message of a stream has an acknowledgement subject; anything else is a word about a request.
                if late.reply:
                    return [late]
        await asyncio.get_running_loop().create_future()
        return []

    async def caught_up(self) -> None:
        """Wait until everything is here that the server has sent so far."""
        with suppress(NatsError, OSError, TimeoutError):
            client = self._subscription._sub._conn  # noqa: SLF001 - FastStream keeps its own to itself
            if client.is_connected:
                async with asyncio.timeout(_CATCH_UP_S):
                    await client.flush()

    async def unsubscribe(self) -> None:
        """End it."""
        await self._subscription.unsubscribe()


def _logger() -> logging.Logger:
    # FastStream tells at INFO what its tasks do; only what goes wrong is worth a line.
    logger = logging.getLogger("earshot.faststream")
    logger.setLevel(logging.WARNING)
    return logger
