"""A schedule as a value, and the ids that are made of it."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from earshot_scheduler.core.walltime import instant


class Kind(Enum):
    """What rings."""

    TIMER = "timer"
    ALARM = "alarm"
    REMINDER = "reminder"


class State(Enum):
    """Where a schedule stands. OVER: it rings no more and is kept so that repeated requests are recognised."""

    ARMED = "armed"
    PAUSED = "paused"
    RINGING = "ringing"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A timer, alarm or reminder.

    It is due at `singles` (what it was set, moved or put off to) and at the occurrences of its rule, of which the next one
    is `regular`. Thus what was put off and the next regular one both come.

    Attributes:
        revision: Rises with each change.
        armed_revision: Revision that armed the next ringing; 0: nothing is armed.
        singles: Aware, in UTC, soonest first.
        regular: Naive wall-clock time in `time_zone`: what is kept through daylight-saving changes.
        regular_count: Occurrences of the rule to come, `regular` among them; None: as many as the rule gives.
        remaining: What is left of a paused timer.
        length: How long a timer was set for.
        occurrence_id: What rings or rang last.
        added: What a later contract has added to it: kept with it, and never looked inside.
    """

    schedule_id: str
    household: str
    device: str
    kind: Kind
    state: State
    revision: int
    armed_revision: int = 0
    label: str = ""
    locale: str = ""
    time_zone: str = ""
    local_time: str = ""
    rule: str = ""
    singles: tuple[datetime, ...] = ()
    regular: datetime | None = None
    regular_count: int | None = None
    remaining: timedelta | None = None
    length: timedelta | None = None
    occurrence_id: str = ""
    added: bytes = field(default=b"", repr=False)

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone; only for one that has one."""
        return ZoneInfo(self.time_zone)

    @property
    def regular_due(self) -> datetime | None:
        """The moment of the rule's next occurrence."""
        return instant(self.regular, self.zone) if self.regular is not None else None

    @property
    def due(self) -> datetime | None:
        """When it is due next; None: not at all, as things stand."""
        regular = self.regular_due
        moments = self.singles if regular is None else (*self.singles, regular)
        return min(moments, default=None)

    @property
    def armed(self) -> Occurrence | None:
        """The occurrence that is armed, or has to be."""
        due = self.due
        if due is None or not self.armed_revision:
            return None
        return Occurrence(schedule_id=self.schedule_id, revision=self.armed_revision, due=due)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One ringing of a schedule: it is due at a moment, by what a revision armed."""

    schedule_id: str
    revision: int
    due: datetime

    @property
    def occurrence_id(self) -> str:
        """Its id, "<schedule>.<revision>.<due time in seconds>"."""
        return f"{self.schedule_id}.{self.revision}.{int(self.due.timestamp())}"

    @classmethod
    def read(cls, occurrence_id: str) -> Occurrence | None:
        """Return what an id says, to the second; None if it can't be one."""
        parts = occurrence_id.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 12 for part in parts[1:]):
            return None
        return cls(schedule_id=parts[0], revision=int(parts[1]), due=datetime.fromtimestamp(int(parts[2]), UTC))


def schedule_id_of(household: str, request_id: str) -> str:
    """Return the id of the schedule that a request creates: a UUID of version 8 (RFC 9562), the same for each repetition."""
    digest = bytearray(hashlib.sha256(f"{household}\0{request_id}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def to_milliseconds(moment: datetime) -> datetime:
    """Return a moment without what is finer than a millisecond, which neither the bus nor a person keeps."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
