"""Credentials that are made anew: a connection follows its file before the server ends it.

A credential that expires ends its connection for good. Whoever makes credentials that do not last puts another one into the file
in time, as the operator does of skills, by way of a Secret.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from nats.aio.client import Client
from nats.errors import Error as NatsError

from earshot_chassis import telemetry

_log = telemetry.logger("bus")
_FLUSH_S = 1


async def follow(file: Path, client: Client, look_s: float) -> None:
    """Connect anew whenever a credentials file is another one, until cancelled.

    Args:
        file: What the client reads when it connects.
        client: Connected by it.
        look_s: How often the file is looked at.
    """
    known = _content(file)
    while True:
        await asyncio.sleep(look_s)
        found = _content(file)
        # Empty while somebody writes it, or it has just gone.
        if not found or found == known:
            continue
        known = found
        _log.info("credentials_changed")
        try:
            await client.flush(_FLUSH_S)
        except (NatsError, OSError) as error:
            _log.warning("bus_error", error=type(error).__name__, reason=str(error)[:200])
        # While it is not connected this does nothing: the next connection reads the file.
        await client.force_reconnect()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
