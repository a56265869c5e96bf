"""Values that are used for a time, kept a little longer for when their source is away, and loaded once at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from earshot_skillkit import SourceUnavailableError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    loaded_at: float


class Cache(Generic[K, V]):
    """A cache in memory; the least recently used entry goes first.

    Args:
        ttl_s: How long a value is used without loading it again, in seconds.
        stale_s: How old a value may be when it can't be loaded, in seconds.
        size: Most entries.
        clock: Monotonic seconds; default: the event loop's.
    """

    def __init__(
        self, *, ttl_s: float, stale_s: float = 0.0, size: int, clock: Callable[[], float] | None = None
    ) -> None:
        self._ttl_s = ttl_s
        self._stale_s = stale_s
        self._size = size
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        """Return a value, loaded unless it is fresh. Callers that come while it is being loaded share the load.

        Raises:
            SourceUnavailableError: It can't be loaded, and what is kept is too old.
        """
        kept = self._kept.get(key)
        age = self._clock() - kept.loaded_at if kept else 0.0
        if kept and age < self._ttl_s:
            self._kept.move_to_end(key)
            return kept.value
        try:
            # Shielded: a caller whose time is up must not take the load from the others.
            return await asyncio.shield(self._load(key, load))
        except SourceUnavailableError:
            if kept and age < self._stale_s:
                return kept.value
            raise

    def _load(self, key: K, load: Callable[[], Awaitable[V]]) -> asyncio.Task[V]:
        task = self._loading.get(key)
        if task is None:
            task = asyncio.ensure_future(self._loaded(key, load))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return task

    async def _loaded(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        value = await load()
        self._kept[key] = _Kept(value, self._clock())
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return value

    def _forget(self, key: K, done: asyncio.Task[V]) -> None:
        self._loading.pop(key, None)
        if not done.cancelled():
            # Every caller may have gone; the error has been theirs.
            done.exception()
