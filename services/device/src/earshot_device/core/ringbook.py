"""What rings, what was stopped, and what the cloud has not been told of yet. No I/O, no clock.

    ring ──► ringing ──stop──► stopped (for ever: a Ring for it that comes later, or again, is refused)
               (or StopRing, before any Ring) ──► stopped
    a stop on the device ──► untold ──RingDismissed acknowledged──► forgotten

It is kept as JSON, so that a device that restarts rings on, stays silent, and tells what it had not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from earshot_device.core.directives import RingKind, Speak

CAPACITY = 256
"""How many stopped occurrences are remembered: more than the cloud keeps directives of one device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Something that is due, as its `Ring` tells it. `expire_at`: a device that starts later than that is silent."""

    occurrence_id: str
    label: str = ""
    announcement: Speak | None = None
    expire_at: float | None = None
    kind: RingKind = RingKind.UNSPECIFIED
    length_s: float | None = None
    due_at: float | None = None


class RingBook:
    """The book of one device."""

    def __init__(self) -> None:
        self._ringing: dict[str, Occurrence] = {}
        self._stopped: dict[str, None] = {}
        self._untold: dict[str, None] = {}

    @property
    def ringing(self) -> tuple[Occurrence, ...]:
        """What rings, the oldest first."""
        return tuple(self._ringing.values())

    @property
    def untold(self) -> tuple[str, ...]:
        """Occurrences whose stop the cloud does not know yet, the oldest first."""
        return tuple(self._untold)

    def ring(self, occurrence: Occurrence) -> bool:
        """Note that an occurrence rings; False if it does already, or was stopped."""
        name = occurrence.occurrence_id
        if name in self._ringing or name in self._stopped:
            return False
        self._ringing[name] = occurrence
        return True

    def stop(self, occurrence_id: str, *, tell: bool) -> bool:
        """Note that an occurrence must not ring (any more); False if it was stopped already.

        Args:
            occurrence_id: The occurrence.
            tell: Whether the cloud has to be told.
        """
        if occurrence_id in self._stopped:
            return False
        self._ringing.pop(occurrence_id, None)
        _add(self._stopped, occurrence_id)
        if tell:
            _add(self._untold, occurrence_id)
        return True

    def told(self, occurrence_id: str) -> bool:
        """Note that the cloud knows of a stop; False if it was not waiting to be told."""
        return self._untold.pop(occurrence_id, self) is None

    def kept(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return {
            "ringing": [_occurrence_kept(occurrence) for occurrence in self.ringing],
            "stopped": list(self._stopped),
            "untold": list(self._untold),
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> RingBook:
        """Read what `kept` returned.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: It is something else.
        """
        book = cls()
        for one in kept["ringing"]:
            occurrence = _occurrence_of(one)
            book._ringing[occurrence.occurrence_id] = occurrence
        book._stopped = _names(kept["stopped"])
        book._untold = _names(kept["untold"])
        return book


def _add(names: dict[str, None], name: str) -> None:
    names[name] = None
    if len(names) > CAPACITY:
        del names[next(iter(names))]


def _names(kept: Iterable[Any]) -> dict[str, None]:
    return {str(name): None for name in list(kept)[-CAPACITY:]}


def _occurrence_kept(occurrence: Occurrence) -> dict[str, Any]:
    words = occurrence.announcement
    return {
        "occurrence_id": occurrence.occurrence_id,
        "label": occurrence.label,
        "text": words.text if words is not None else "",
        "locale": words.locale if words is not None else "",
        "expire_at": occurrence.expire_at,
        "kind": occurrence.kind.value,
        "length_s": occurrence.length_s,
        "due_at": occurrence.due_at,
    }


def _occurrence_of(kept: Mapping[str, Any]) -> Occurrence:
    text = str(kept["text"])
    return Occurrence(
        occurrence_id=str(kept["occurrence_id"]),
        label=str(kept["label"]),
        announcement=Speak(text=text, locale=str(kept["locale"])) if text else None,
        expire_at=_number(kept["expire_at"]),
        # Earlier firmware kept none of these.
        kind=RingKind(kept.get("kind", RingKind.UNSPECIFIED)),
        length_s=_number(kept.get("length_s")),
        due_at=_number(kept.get("due_at")),
    )


def _number(kept: Any) -> float | None:
    return float(kept) if kept is not None else None
