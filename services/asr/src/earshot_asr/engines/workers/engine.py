"""What engines in processes of their own have in common: the pool's life, and one vocabulary after the other."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from itertools import count

from earshot_asr.engines.base import Vocabulary
from earshot_asr.engines.workers.pool import Pool


class PooledEngine(ABC):
    """The half of `earshot_asr.engines.base.Engine` that does not depend on what recognises.

    Args:
        pool: Started and stopped with the engine.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._numbers = count(1)
        self._wanted: Vocabulary | None = None
        self._applying: asyncio.Task[None] | None = None
        self._newer = asyncio.Event()
        """Set by each vocabulary that is wanted, for whoever is making another."""

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process ids of the decoding processes that serve, for health pages and tests."""
        return self._pool.pids

    async def start(self) -> None:
        """See `Engine.start`."""
        await self._pool.start()

    async def stop(self) -> None:
        """See `Engine.stop`."""
        if self._applying is not None:
            self._applying.cancel()
            await asyncio.gather(self._applying, return_exceptions=True)
        await self._pool.stop()

    async def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """See `Engine.set_vocabulary`."""
        self._wanted = vocabulary
        self._newer.set()
        if self._applying is None or self._applying.done():
            self._applying = asyncio.create_task(self._apply(), name="asr-vocabulary")
        await asyncio.shield(self._applying)

    @abstractmethod
    async def _apply(self) -> None:
        """Put what is wanted in force until nothing is; what is superseded while it is made is skipped."""
