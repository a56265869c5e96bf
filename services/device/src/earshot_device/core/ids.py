"""Names of things, typed so that one can't be passed for another, and how new ones are made."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import NewType

TurnId = NewType("TurnId", str)
OutcomeId = NewType("OutcomeId", str)
SessionId = NewType("SessionId", str)
DirectiveId = NewType("DirectiveId", str)
EventId = NewType("EventId", str)
BootId = NewType("BootId", str)

_RANDOM_BITS = 74
_VERSION_7 = 0x7
_VARIANT = 0b10


def uuid7() -> str:
    """Return a new UUIDv7 (RFC 9562): 48 bits of milliseconds since 1970, then 74 random bits."""
    random = secrets.randbits(_RANDOM_BITS)
    value = (time.time_ns() // 1_000_000) << 80
    value |= _VERSION_7 << 76
    value |= (random >> 62) << 64
    value |= _VARIANT << 62
    value |= random & ((1 << 62) - 1)
    return str(uuid.UUID(int=value))
