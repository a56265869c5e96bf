"""What is wrong with an object, as the server tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

INVALID, REQUIRED, FORBIDDEN = "FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden"
UNSUPPORTED, UNKNOWN = "FieldValueNotSupported", "FieldValueUnknown"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong.

    Attributes:
        field: Where.
        reason: The server's word for what kind of wrong it is.
        message: What is wrong.
    """

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def told(causes: Iterable[Cause]) -> str:
    """Return them in one line."""
    lines = [str(cause) for cause in causes]
    return lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"


def details(group: str, kind: str, name: str, causes: Iterable[Cause]) -> dict[str, Any]:
    """Return them for programs to read."""
    listed = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    made = {"name": name, "group": group, "kind": kind, "causes": listed}
    return {name: value for name, value in made.items() if value}


def path_of(parts: Iterable[str | int]) -> str:
    """Return where a value is: spec.egress[0].ports."""
    made = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return made.removeprefix(".") or "<nil>"
