"""What rings, in words."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from earshot_device.core.directives import RingKind
from earshot_device.core.ringbook import Occurrence

# This machine's own.
_ZONE: tzinfo | None = None
_UNITS = ((3600, "hour"), (60, "minute"), (1, "second"))


def told(occurrence: Occurrence) -> str:
    """Tell an occurrence as people know it: "timer, 10 seconds, “pasta”, due 14:03:05"."""
    parts = [occurrence.kind.value if occurrence.kind is not RingKind.UNSPECIFIED else "something"]
    if occurrence.length_s is not None:
        parts.append(_length(occurrence.length_s))
    if occurrence.label:
        parts.append(f"“{occurrence.label}”")
    if occurrence.due_at is not None:
        parts.append(f"due {datetime.fromtimestamp(occurrence.due_at, tz=UTC).astimezone(_ZONE):%H:%M:%S}")
    return ", ".join(parts)


def described(occurrence: Occurrence) -> dict[str, Any]:
    """Describe an occurrence for a program."""
    return {
        "rings": occurrence.occurrence_id,
        "kind": occurrence.kind.value,
        "label": occurrence.label,
        "length_s": occurrence.length_s,
        "due_at": occurrence.due_at,
    }


def _length(seconds: float) -> str:
    rest, words = round(seconds), []
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(words) or "0 seconds"
