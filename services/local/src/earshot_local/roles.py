"""Who may publish and hear what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """Subjects that a user may use; everything else is refused by the server."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    responds: bool = False


_ROOT = "device.{{tag(household)}}.{{name()}}"
DEVICE = Permissions(
    publish=(f"{_ROOT}.up.>",),
    subscribe=(f"{_ROOT}.down.>", "_INBOX_{{tag(household)}}.{{name()}}.>"),
)

_ALL = Permissions(publish=(">",), subscribe=(">",))
ROLES: dict[str, Permissions] = dict.fromkeys(
    ("admin", "observer", "tracestore", "asr", "nlu", "dialogue", "tts", "skill"), _ALL
)
