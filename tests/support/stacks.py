"""Stacks of dummy services, and how to look at processes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil

from earshot_local import Service
from earshot_local.events import Event, State

DUMMY = Path(__file__).resolve().parents[1] / "local" / "dummy_service.py"


def dummy(name: str = "asr", *modes: str) -> Service:
    """Return a service that needs no bus and starts in a tenth of a second."""
    return Service(name=name, module="", role="asr", command=(sys.executable, "-S", str(DUMMY), *modes))


def alive(pid: int) -> bool:
    """Tell whether a process runs: one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(*pids: int) -> bool:
    """Wait up to five seconds until none of the processes runs."""
    for _ in range(250):
        if not any(alive(pid) for pid in pids):
            return True
        await asyncio.sleep(0.02)
    return False


class Watcher:
    """A listener that remembers what it heard and can wait for more."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._more = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Hear."""
        self.events.append(event)
        self._more.set()

    def of(self, process: str, state: State) -> list[Event]:
        """Return what was heard of a process entering a state."""
        return [event for event in self.events if (event.process, event.state) == (process, state)]

    async def until(self, process: str, state: State, count: int = 1) -> Event:
        """Wait up to half a minute for a process to enter a state for the count-th time."""
        async with asyncio.timeout(30):
            while len(self.of(process, state)) < count:
                self._more.clear()
                await self._more.wait()
        return self.of(process, state)[count - 1]
