"""Spoken sentences, looked up first here, then in the shared cache. Nothing that goes wrong here stops speech.

    remembered ─► memory
    fetch      ─► shared, at most `patience_s`; None: synthesise
    keep       ─► memory, and a queue whose writer puts them into the shared cache one after the other

The queue is bounded: when the store is slow, new sentences are simply not written.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum

from earshot_chassis import telemetry
from earshot_tts.cache.blob import CorruptBlobError, Frames, pack, unpack
from earshot_tts.cache.memory import MemoryCache
from earshot_tts.cache.shared import SharedCache
from earshot_tts.cancellation import cancelling

_QUEUE_LENGTH = 64
_log = telemetry.logger("tts.cache")
_FAILURES = telemetry.counter("earshot.tts.cache.failures", "Cache operations that failed, by operation and reason.")


class Source(StrEnum):
    """Where a sentence came from."""

    MEMORY = "memory"
    SHARED = "shared"
    ENGINE = "engine"


class SentenceCache:
    """Both caches as one.

    Args:
        memory: In front.
        shared: Behind; None: there is none.
        patience_s: How long a look into the shared cache may hold up speech.
    """

    def __init__(self, memory: MemoryCache, shared: SharedCache | None, patience_s: float) -> None:
        self._memory = memory
        self._shared = shared
        self._patience_s = patience_s
        self._queue: asyncio.Queue[tuple[str, Frames]] = asyncio.Queue(_QUEUE_LENGTH)

    def remembered(self, key: str) -> Frames | None:
        """Return a sentence that this process has."""
        return self._memory.get(key)

    async def fetch(self, key: str) -> Frames | None:
        """Return a sentence that the shared cache has, and remember it; whatever fails is a miss."""
        if self._shared is None:
            return None
        try:
            async with asyncio.timeout(self._patience_s):
                blob = await self._shared.get(key)
            if blob is None:
                return None
            frames = unpack(blob)
        except TimeoutError:
            _count("get", "timeout")
            return None
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a cache, the words are spoken
            _count("get", "corrupt" if isinstance(error, CorruptBlobError) else "unavailable")
            return None
        self._memory.put(key, frames)
        return frames

    def keep(self, key: str, frames: Frames) -> None:
        """Remember a sentence; returns at once."""
        self._memory.put(key, frames)
        if self._shared is None:
            return
        try:
            self._queue.put_nowait((key, frames))
        except asyncio.QueueFull:
            _count("put", "queue_full")

    async def write(self) -> None:
        """Write what is kept into the shared cache, until cancelled."""
        if self._shared is None:
            await asyncio.Event().wait()
            return
        # nats-py waits with asyncio.wait_for, which in Python 3.11 may lose a cancellation: so it is looked for.
        while not cancelling():
            key, frames = await self._queue.get()
            try:
                await self._shared.put(key, pack(frames))
            except Exception as error:  # noqa: BLE001 - the writer lives as long as the service
                _count("put", "unavailable")
                _log.warning("cache_write_failed", error=type(error).__name__)
            finally:
                self._queue.task_done()

    async def written(self) -> None:
        """Wait until the writer has nothing left to do."""
        await self._queue.join()


def _count(operation: str, reason: str) -> None:
    _FAILURES.add(1, {"operation": operation, "reason": reason})
