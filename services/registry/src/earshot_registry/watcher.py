"""Hands the newest snapshot to one callback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from earshot_registry.snapshot import RegistrySnapshot

_log = structlog.get_logger(__name__)


class Watcher:
    """One callback and the snapshot that it has yet to see.

    Args:
        callback: Called with one snapshot at a time. What it raises is logged; it is called again at the next change.
    """

    def __init__(self, callback: Callable[[RegistrySnapshot], Awaitable[None]]) -> None:
        self._callback = callback
        self._pending: RegistrySnapshot | None = None
        self._told = asyncio.Event()
        self.first_call_done = asyncio.Event()

    def tell(self, snapshot: RegistrySnapshot) -> None:
        """Replace what the callback is called with next."""
        self._pending = snapshot
        self._told.set()

    async def run(self) -> None:
        """Call back for ever."""
        while True:
            await self._told.wait()
            self._told.clear()
            snapshot, self._pending = self._pending, None
            if snapshot is None:
                continue
            try:
                await self._callback(snapshot)
            except Exception:  # noqa: BLE001 - whatever a callback raises, the next snapshot is its too
                _log.exception("registry.callback_failed", revision=snapshot.revision)
            finally:
                self.first_call_done.set()
