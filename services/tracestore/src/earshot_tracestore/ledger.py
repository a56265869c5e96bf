"""The turn ledger: listens to how turns begin and end, so that lost and unfinished ones show.

Core subscriptions, not consumers: the ledger watches and must never slow a turn down or keep a message alive. What it
misses while it is away, it learns in part from the turn's root span.

What is heard while one batch is being committed goes into the next one: a commit for each fact would be slower than
turns come under load, and what waits would grow in the client's subscriptions.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
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
_WAITING_FACTS = 10_000
_log = telemetry.logger("ledger")


class Ledger:
    """Writes what it hears to the store.

    Args:
        client: Where it listens.
        store: Where it writes.
        waiting: How many facts may wait for the commit before; more are dropped and counted.

    Attributes:
        dropped: Facts that were heard and are not in the store.
    """

    def __init__(self, client: Client, store: Store, waiting: int = _WAITING_FACTS) -> None:
        self._client = client
        self._store = store
        self._subscriptions: list[Subscription] = []
        self._waiting: asyncio.Queue[TurnFact] = asyncio.Queue(waiting)
        self._writer: asyncio.Task[None] | None = None
        self.dropped = 0

    async def start(self) -> None:
        """Subscribe."""
        self._writer = asyncio.create_task(self._write())
        for subject, reader in SUBJECTS.items():
            self._subscriptions.append(await self._client.subscribe(subject, cb=self._listener(reader)))

    async def stop(self) -> None:
        """Hear no more; what was heard is in the store."""
        for subscription in self._subscriptions:
            with contextlib.suppress(NatsError, TimeoutError):
                await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py annotates it not
        self._subscriptions.clear()
        if self._writer is not None:
            await self._waiting.join()
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            self._writer = None

    def _listener(self, reader: Reader) -> Callable[[Msg], Awaitable[None]]:
        async def listen(message: Msg) -> None:
            try:
                fact = reader(message.data, message.headers or {}, message.subject, time.time_ns())
            except (EarshotError, InvalidTokenError) as error:
                # A message that can't be read is its consumer's to report; here it only does not count.
                _log.warning("fact_skipped", reason=type(error).__name__)
                return
            if fact is not None:
                self._take(fact)

        return listen

    def _take(self, fact: TurnFact) -> None:
        try:
            self._waiting.put_nowait(fact)
        except asyncio.QueueFull:
            self.dropped += 1

    async def _write(self) -> None:
        told = 0
        while True:
            facts = [await self._waiting.get()]
            while not self._waiting.empty():
                facts.append(self._waiting.get_nowait())
            try:
                await self._store.add(Batch(facts=facts))
            except (EarshotError, sqlite3.Error) as error:
                self.dropped += len(facts)
                _log.warning("facts_not_written", reason=type(error).__name__)
            finally:
                for _ in facts:
                    self._waiting.task_done()
            if self.dropped > told:
                told = self.dropped
                _log.warning("facts_dropped", total=told)
