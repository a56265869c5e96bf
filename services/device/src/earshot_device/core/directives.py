"""Commands that the cloud gives a device, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from earshot_device.core.ids import DirectiveId, OutcomeId, SessionId

SEEN_CAPACITY = 256
"""How many directives are remembered: more than the cloud keeps of one device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """Speak the outcome's frames here; `text` is the same words."""

    text: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaItem:
    """One thing to play, by HTTP with range requests. Times in seconds; a duration of 0 is unknown."""

    item_id: str
    url: str
    media_type: str = ""
    title: str = ""
    artist: str = ""
    start_offset_s: float = 0.0
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Play items, instead of what is playing or behind it."""

    items: tuple[MediaItem, ...]
    enqueue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Pause media."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Resume media."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Stop media and forget it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVolume:
    """Set the volume to `percent`, or change it by `delta` (one of them is set)."""

    percent: int | None = None
    delta: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Reopen the microphone for a turn of the same session, for at most `timeout_s`."""

    session_id: SessionId
    timeout_s: float = 0.0


class RingKind(StrEnum):
    """What rings."""

    UNSPECIFIED = "unspecified"
    TIMER = "timer"
    ALARM = "alarm"
    REMINDER = "reminder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Ring until dismissed.

    Attributes:
        occurrence_id: What is due.
        label: What it is called.
        announcement: What is said before it rings.
        kind: What it is.
        length_s: How long a timer was set for.
        due_at: When it was due, in seconds since 1970.
    """

    occurrence_id: str
    label: str = ""
    announcement: Speak | None = None
    kind: RingKind = RingKind.UNSPECIFIED
    length_s: float | None = None
    due_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRing:
    """Stop one occurrence's ringing, or with an empty id everything that rings now."""

    occurrence_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSpeech:
    """Stop speaking an outcome at once."""

    outcome_id: OutcomeId


Command = Speak | Play | Pause | Resume | Stop | SetVolume | Listen | Ring | StopRing | StopSpeech


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A command with its identity.

    `revision` rises by one for each directive outside an outcome and is 0 within one. `expire_at` is in seconds since
    1970; None: no limit. `command` is None where the cloud speaks a newer contract than this device.
    """

    directive_id: DirectiveId
    command: Command | None
    revision: int = 0
    expire_at: float | None = None


class DirectiveLog:
    """Which directives outside an outcome were carried out: each once.

    They are told apart by id, so that one that was lost and is sent again later is not refused. Of what is longer ago
    than the ids that are remembered, an earlier boot left its highest revision.

    Args:
        revision: The highest that was carried out by an earlier boot.
        seen: Ids that were carried out by earlier boots, the oldest first.
    """

    def __init__(self, *, revision: int = 0, seen: Iterable[DirectiveId] = (), capacity: int = SEEN_CAPACITY) -> None:
        self.revision = revision
        self._floor = revision
        self._capacity = capacity
        self._seen: dict[DirectiveId, None] = dict.fromkeys(seen)

    def admit(self, directive: Directive) -> bool:
        """Return whether the directive is new, and remember it."""
        if directive.directive_id in self._seen or 0 < directive.revision <= self._floor:
            return False
        self._seen[directive.directive_id] = None
        if len(self._seen) > self._capacity:
            del self._seen[next(iter(self._seen))]
        self.revision = max(self.revision, directive.revision)
        return True

    def forget(self, directive: Directive) -> None:
        """Let a directive that could not be carried out come again."""
        self._seen.pop(directive.directive_id, None)
