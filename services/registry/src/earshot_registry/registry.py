"""Keeps a snapshot of the live skills and tells who wants to know.

Both buckets are listed every `refresh_s`, and at once when a message on one of them says something new: a description,
a deletion, or a replica that is not known. Renewals of known leases cause nothing. The listing alone would be enough;
the messages only make it prompt, so a lost one costs `refresh_s` and a reconnected client needs nothing done.

Each callback has a task of its own that hands it the newest snapshot. One that is slow skips what it was too late for
and delays nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from earshot_registry.builtin import assistant
from earshot_registry.errors import RegistryUnavailableError
from earshot_registry.listing import list_bucket
from earshot_registry.snapshot import RegistrySnapshot
from earshot_registry.watcher import Watcher
from earshot_registry.wire import State, description_entries, endpoint_entries, parse_endpoint_key, snapshot
from earshot_topology.streams import SKILL_ENDPOINTS, SKILL_LEASE_S, SKILLS

Callback = Callable[[RegistrySnapshot], Awaitable[None]]

_DELETIONS = ("DEL", "PURGE")

_log = structlog.get_logger(__name__)


class Bus(Protocol):
    """What the registry needs of the chassis's bus."""

    @property
    def client(self) -> Client:
        """The connection."""


class SkillRegistry:
    """The live set of skills.

    Args:
        bus: Its connection may list and subscribe to the SKILLS and SKILL_ENDPOINTS buckets.
        refresh_s: Longest time, in seconds, that a change can go unnoticed.
        lease_s: Length of a replica's lease, in seconds.
        start_timeout_s: How long `start` tries, in seconds.
    """

    def __init__(
        self, bus: Bus, *, refresh_s: float = 1.0, lease_s: float = SKILL_LEASE_S, start_timeout_s: float = 10.0
    ) -> None:
        self._bus = bus
        self._refresh_s = refresh_s
        self._start_timeout_s = start_timeout_s
        self._state: State = State(lease_s=lease_s)
        self._builtin = assistant()
        self._snapshot = snapshot(self._state, self._builtin)
        self._watchers: list[Watcher] = []
        self._news = asyncio.Event()
        self._exit = contextlib.AsyncExitStack()
        self._started = False

    @property
    def snapshot(self) -> RegistrySnapshot:
        """The live set as last seen; before `start`, the assistant's own intents alone."""
        return self._snapshot

    def on_change(self, callback: Callback) -> None:
        """Call back with every effective change, and once at start (or now, when it has started).

        Renewals of leases are no change; replicas coming and going are, without a new revision.
        """
        watcher = Watcher(callback)
        self._watchers.append(watcher)
        if self._started:
            self._run(watcher)

    async def start(self) -> None:
        """List the buckets, call every callback once, and keep watching.

        Raises:
            RegistryUnavailableError: The buckets could not be listed for `start_timeout_s`.
        """
        client = self._bus.client
        for bucket in (SKILLS.bucket, SKILL_ENDPOINTS.bucket):
            subscription = await client.subscribe(f"$KV.{bucket}.>", cb=self._noticed)
            self._exit.push_async_callback(_unsubscribe, subscription)
        try:
            await self._first_listing()
        except RegistryUnavailableError:
            await self.stop()
            raise
        self._started = True
        for watcher in self._watchers:
            self._run(watcher)
        for watcher in self._watchers:
            await watcher.first_call_done.wait()
        task = asyncio.create_task(self._keep(), name="registry.keep")
        self._exit.push_async_callback(_cancel, task)

    async def stop(self) -> None:
        """Stop watching; the snapshot stays as it was last."""
        self._started = False
        await self._exit.aclose()

    async def refresh(self) -> None:
        """List the buckets now and pass on what changed.

        Raises:
            RegistryUnavailableError: They can't be listed.
        """
        client = self._bus.client
        try:
            descriptions = await list_bucket(client, SKILLS.bucket)
            endpoints = await list_bucket(client, SKILL_ENDPOINTS.bucket)
        except RegistryUnavailableError:
            self._state.blind()
            raise
        changed = self._state.listed(
            description_entries(descriptions.entries),
            endpoint_entries(endpoints.entries),
            last_sequence=descriptions.last_sequence,
            now=time.monotonic(),
        )
        if changed:
            self._snapshot = snapshot(self._state, self._builtin)
            _log.info("registry.changed", revision=self._snapshot.revision, skills=len(self._snapshot.skills))
            for watcher in self._watchers:
                watcher.tell(self._snapshot)

    def _run(self, watcher: Watcher) -> None:
        watcher.tell(self._snapshot)
        task = asyncio.create_task(watcher.run(), name="registry.callback")
        self._exit.push_async_callback(_cancel, task)

    async def _first_listing(self) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            try:
                await self.refresh()
            except RegistryUnavailableError:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def _keep(self) -> None:
        away = False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._refresh_s):
                    await self._news.wait()
            self._news.clear()
            try:
                await self.refresh()
            except RegistryUnavailableError as error:
                if not away:
                    _log.warning("registry.away", reason=str(error))
                away = True
                await asyncio.sleep(min(0.2, self._refresh_s))
            else:
                away = False

    async def _noticed(self, message: Msg) -> None:
        _, bucket, key = message.subject.split(".", 2)
        if bucket == SKILL_ENDPOINTS.bucket and (message.headers or {}).get("KV-Operation") not in _DELETIONS:
            with contextlib.suppress(ValueError):
                if self._state.knows(*parse_endpoint_key(key)):
                    return
        self._news.set()


async def _unsubscribe(subscription: Subscription) -> None:
    with contextlib.suppress(NatsError):
        await subscription.unsubscribe()


async def _cancel(task: asyncio.Task[None]) -> None:
    # Until Python 3.12, wait_for (nats-py's requests use it) can swallow a cancellation that meets its result.
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.2)
