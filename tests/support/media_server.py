"""An HTTP server for a device's media tests: knows ranges, counts requests, fails when told to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_RANGE = re.compile(rb"[Rr]ange: bytes=(\d+)-(\d+)")


class MediaServer:
    """Serves `files` (path to bytes) on a free port of 127.0.0.1; `ranges` are the first bytes that were asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges: list[int] = []
        self.failing = False
        self.port = 0

    def url(self, path: str) -> str:
        """Return the address of a file."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) and not self.failing:
                writer.write(self._response(head))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _response(self, head: bytes) -> bytes:
        content = self.files.get(head.split(b" ")[1].decode())
        wanted = _RANGE.search(head)
        if content is None or wanted is None:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        first, last = int(wanted[1]), min(int(wanted[2]), len(content) - 1)
        self.ranges.append(first)
        part = content[first : last + 1]
        lines = f"Content-Length: {len(part)}\r\nContent-Range: bytes {first}-{last}/{len(content)}\r\n\r\n"
        return b"HTTP/1.1 206 Partial Content\r\n" + lines.encode() + part


@asynccontextmanager
async def media_server() -> AsyncIterator[MediaServer]:
    """Run a server."""
    media = MediaServer()
    server = await asyncio.start_server(media.answer, "127.0.0.1", 0)
    media.port = server.sockets[0].getsockname()[1]
    try:
        yield media
    finally:
        server.close()
