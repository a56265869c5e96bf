"""Lines between processes and the bus that can be cut or dropped.

Cut: nothing passes, nothing is closed, as when a cable is pulled. Dropped: whatever was open is closed and nobody gets
through, as when an access point goes away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

_BLOCK: Final = 1 << 16
_HOST: Final = "127.0.0.1"


@dataclass(slots=True)
class Line:
    """One process's way to the bus; `url` takes the place of the servers'.

    Attributes:
        nodes: How many servers there are.
        ports: Where it listens, one for each server.
        upstream: The servers' ports; while they are not known, connections are refused.
    """

    nodes: int = 1
    ports: list[int] = field(default_factory=list)
    upstream: list[int] = field(default_factory=list)
    _whole: asyncio.Event = field(default_factory=asyncio.Event)
    _reachable: list[asyncio.Event] = field(default_factory=list)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """What to connect to."""
        return ",".join(f"nats://{_HOST}:{port}" for port in self.ports)

    def leads_to(self, url: str) -> None:
        """Tell it where the servers are, "nats://127.0.0.1:4222,nats://127.0.0.1:4223"."""
        self.upstream = [int(server.rsplit(":", 1)[1]) for server in url.split(",")]

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen."""
        self._whole.set()
        self._heard.set()
        self._reachable = [asyncio.Event() for _ in range(self.nodes)]
        for each in self._reachable:
            each.set()
        self.ports = [0] * self.nodes
        await self._listen()
        self.ports = [server.sockets[0].getsockname()[1] for server in self._servers]
        try:
            yield
        finally:
            self._close()

    async def cut(self, seconds: float) -> None:
        """Let nothing pass for a while; what was sent meanwhile arrives afterwards, as TCP would have it."""
        async with self.held():
            await asyncio.sleep(seconds)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Let nothing pass meanwhile; nothing is closed and nothing is lost."""
        self._whole.clear()
        try:
            yield
        finally:
            self._whole.set()

    @contextlib.asynccontextmanager
    async def apart_from(self, node: int) -> AsyncIterator[None]:
        """Let nothing pass to or from one of the servers meanwhile; nothing is closed."""
        self._reachable[node].clear()
        try:
            yield
        finally:
            self._reachable[node].set()

    @contextlib.asynccontextmanager
    async def deaf(self) -> AsyncIterator[None]:
        """Let nothing pass that the servers say, meanwhile; they hear everything."""
        self._heard.clear()
        try:
            yield
        finally:
            self._heard.set()

    @contextlib.asynccontextmanager
    async def dropped(self) -> AsyncIterator[None]:
        """Close every connection and refuse new ones meanwhile; what was on its way is lost."""
        self._close()
        try:
            yield
        finally:
            await self._listen()

    async def _listen(self) -> None:
        self._servers = [
            await asyncio.start_server(partial(self._connected, node), _HOST, port)
            for node, port in enumerate(self.ports)
        ]

    def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()

    async def _connected(self, node: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = [writer]
        try:
            reachable = self._reachable[node]
            await reachable.wait()
            await self._whole.wait()
            there = await asyncio.open_connection(_HOST, self.upstream[node] if self.upstream else 0)
            writers.append(there[1])
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, there[1], self._whole, reachable))
                group.create_task(self._pass_on(there[0], writer, self._whole, self._heard, reachable))
        except* (OSError, asyncio.CancelledError):
            # Either side has gone, or the test is over.
            pass
        finally:
            for each in writers:
                each.close()
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *open_: asyncio.Event) -> None:
        try:
            while block := await reader.read(_BLOCK):
                for each in open_:
                    await each.wait()
                _write(writer, block)
                await writer.drain()
        finally:
            writer.close()
        # One direction has ended: the other one ends with it.
        raise ConnectionResetError


def _write(writer: asyncio.StreamWriter, block: bytes) -> None:
    """Write to a connection; one that is gone raises a ConnectionError, whatever the event loop makes of it."""
    try:
        writer.write(block)
    except RuntimeError as error:
        # uvloop's word for a transport that the other direction has closed.
        if not writer.transport.is_closing():
            raise
        raise ConnectionResetError from error


@contextlib.asynccontextmanager
async def lines_for(names: Iterable[str], *, nodes: int = 1) -> AsyncIterator[Mapping[str, Line]]:
    """Open a line for each name."""
    lines = {name: Line(nodes=nodes) for name in names}
    async with contextlib.AsyncExitStack() as stack:
        for line in lines.values():
            await stack.enter_async_context(line.open())
        yield lines
