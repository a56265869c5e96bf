"""Ids that the dialogue makes."""

from __future__ import annotations

import secrets
import time
import uuid


def uuid7() -> str:
    """Return a UUIDv7 (RFC 9562): ordered by the millisecond it was made in, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = (
        (milliseconds & ((1 << 48) - 1)) << 80
        | 0x7 << 76
        | (random >> 62) << 64
        | 0b10 << 62
        | random & ((1 << 62) - 1)
    )
    return str(uuid.UUID(int=value))
