"""Asking a process whether it is ready: one HTTP request without an HTTP library, one TCP connection."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit

TIMEOUT_S = 2.0


async def http_ready(url: str) -> bool:
    """Tell whether GET on a loopback URL answers 2xx within two seconds."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            with contextlib.closing(writer):
                request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                status = await reader.readline()
    except (OSError, TimeoutError):
        return False
    return status.startswith(b"HTTP/1.") and status[9:10] == b"2"


async def accepts(host: str, port: int) -> bool:
    """Tell whether somebody listens."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
