"""The other side of `gate`: lets processes pass, or ambushes them where a test wants it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.records import Inflicted
from chaos.schedule import Kind

# Longer than the lease of whatever is owned, so that the owner has been replaced when it wakes up.
FROZEN_S: Final = 2.5
_GO: Final = b"go\n"


@dataclass(frozen=True, slots=True)
class Ambush:
    """What happens to the process that reaches a point of one speaker's turn first.

    Attributes:
        point: See `gate`.
        kind: KILL, FREEZE or RESTART.
    """

    point: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.kind} at {self.point}"


class Gatekeeper:
    """Answers the processes under test.

    Attributes:
        sprung: Ambushes that happened, by speaker, with what they hit.
    """

    def __init__(self) -> None:
        self.sprung: list[tuple[str, Ambush, Inflicted]] = []
        self._waiting: dict[str, deque[Ambush]] = defaultdict(deque)
        self._tasks: set[asyncio.Task[None]] = set()

    def lay(self, speaker: str, ambush: Ambush) -> None:
        """Lay an ambush for a speaker's turns."""
        self._waiting[speaker].append(ambush)

    def waits_for(self, speaker: str) -> bool:
        """Tell whether an ambush for a speaker's turns has not happened yet."""
        return bool(self._waiting[speaker])

    @contextlib.asynccontextmanager
    async def open(self, path: Path) -> AsyncIterator[None]:
        """Listen on a socket."""
        server = await asyncio.start_unix_server(self._serve, path)
        try:
            yield
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while line := await reader.readline():
                await self._decide(json.loads(line))
                writer.write(_GO)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            # The process is gone, or the test is over.
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _decide(self, asked: dict[str, str]) -> None:
        ambushes = self._waiting[asked["about"]]
        for ambush in ambushes:
            if ambush.point == asked["point"]:
                ambushes.remove(ambush)
                await self._spring(ambush, asked)
                return

    async def _spring(self, ambush: Ambush, asked: dict[str, str]) -> None:
        began_at, pid = time.monotonic(), int(asked["pid"])
        match ambush.kind:
            case Kind.KILL:
                os.kill(pid, signal.SIGKILL)
            case Kind.FREEZE:
                os.kill(pid, signal.SIGSTOP)
                try:
                    await asyncio.sleep(FROZEN_S)
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)
            case _:
                os.kill(pid, signal.SIGTERM)
        inflicted = Inflicted(
            kind=ambush.kind,
            stage=asked["instance"].rsplit("-", 1)[0],
            target=f"{asked['instance']} at {ambush.point}",
            forgives=False,
            began_at=began_at,
            recovered_at=time.monotonic(),
        )
        self.sprung.append((asked["about"], ambush, inflicted))
