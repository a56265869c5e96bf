"""The time zone of the person at the terminal."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LOCALTIME = Path("/etc/localtime")


def local_time_zone() -> str:
    """Return the IANA name that TZ or the system names; "UTC" where neither does."""
    candidates = [os.environ.get("TZ", "").removeprefix(":")]
    if _LOCALTIME.is_symlink():
        candidates.append(str(_LOCALTIME.resolve()).partition("zoneinfo/")[2])
    for name in filter(None, candidates):
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"
