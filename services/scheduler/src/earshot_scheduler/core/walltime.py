"""Wall-clock time and moments.

As RFC 5545 has it: a time that does not exist because clocks went forward is read with the offset before the gap (half
past two rings at half past three); one that exists twice is its first.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from earshot_scheduler.core.errors import InvalidScheduleError

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{1,49}")


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which clocks show a naive time."""
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return what clocks show at a moment, naive."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


@lru_cache(maxsize=512)
def zone_of(name: str) -> ZoneInfo:
    """Return an IANA time zone.

    Raises:
        InvalidScheduleError: There is none of that name.
    """
    if _ZONE.fullmatch(name) is not None:
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo(name)
    raise InvalidScheduleError(f"not a time zone: {name[:60]!r}", code="unknown_time_zone")


def time_of(text: str) -> time:
    """Read "07:30" or "07:30:00".

    Raises:
        InvalidScheduleError: It is not of that form.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise InvalidScheduleError(f"not a time of day: {text[:20]!r}", code="invalid_local_time")
    return time(int(found[1]), int(found[2]), int(found[3] or 0))
