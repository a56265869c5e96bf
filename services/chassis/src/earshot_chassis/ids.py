"""New ids."""

from __future__ import annotations

import secrets
import time

_LOW = (1 << 62) - 1


def uuid7() -> str:
    """Return a UUIDv7 (RFC 9562): ordered by the millisecond it was made in, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & _LOW
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
