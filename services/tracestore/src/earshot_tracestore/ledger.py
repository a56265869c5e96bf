"""The turn ledger: listens to how turns begin and end, so that lost and unfinished ones show.

Core subscriptions, not consumers: the ledger watches and must never slow a turn down or keep a message alive. What it
misses while it is away, it learns in part from the turn's root span.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError
from earshot_topology.subjects import InvalidTokenError
from earshot_tracestore import wire
from earshot_tracestore.model import Batch, TurnFact
from earshot_tracestore.store import Store

Reader = Callable[[bytes, Mapping[str, str], str, int], TurnFact | None]

SUBJECTS: Mapping[str, Reader] = {
    "device.*.*.up.started.*.*": wire.started,
    "device.*.*.down.outcome.*": wire.outcome,
    "device.*.*.up.event": wire.device_event,
}
_log = telemetry.logger("ledger")


class Ledger:
    """Writes what it hears to the store."""

    def __init__(self, client: Client, store: Store) -> None:
        self._client = client
        self._store = store
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        """Subscribe."""
        for subject, reader in SUBJECTS.items():
            self._subscriptions.append(await self._client.subscribe(subject, cb=self._listener(reader)))

    async def stop(self) -> None:
        """Hear no more; what was heard is in the store."""
        for subscription in self._subscriptions:
            with contextlib.suppress(NatsError, TimeoutError):
                await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py annotates it not
        self._subscriptions.clear()

    def _listener(self, reader: Reader) -> Callable[[Msg], Awaitable[None]]:
        async def listen(message: Msg) -> None:
            try:
                fact = reader(message.data, message.headers or {}, message.subject, time.time_ns())
                if fact is not None:
                    await self._store.add(Batch(facts=[fact]))
            except (EarshotError, InvalidTokenError) as error:
                # A message that can't be read is its consumer's to report; here it only does not count.
                _log.warning("fact_skipped", reason=type(error).__name__)

        return listen
