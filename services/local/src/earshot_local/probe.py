"""Asking a process whether it is ready: one HTTP request without an HTTP library, one TCP connection."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit

TIMEOUT_S = 2.0
_MOST_BYTES = 65_536


async def http_ready(url: str) -> bool:
    """Tell whether GET on a loopback URL answers 2xx within two seconds."""
    status, _ = await _get(url)
    return status.startswith(b"HTTP/1.") and status[9:10] == b"2"


async def http_answer(url: str) -> str:
    """Return the body that GET on a loopback URL answers within two seconds; nothing when nobody does."""
    _, rest = await _get(url)
    return rest.partition(b"\r\n\r\n")[2].decode(errors="replace")


async def _get(url: str) -> tuple[bytes, bytes]:
    """Return the status line and what follows it."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            with contextlib.closing(writer):
                request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                return await reader.readline(), await reader.read(_MOST_BYTES)
    except (OSError, TimeoutError):
        return b"", b""
