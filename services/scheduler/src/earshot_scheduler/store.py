"""Schedules in the SCHEDULES bucket, under <household>.<schedule>, changed by compare-and-set.

What is over, or rings for the last time, has a time to live: the server forgets it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.message import DecodeError
from nats.js.api import StreamState

from earshot_chassis import telemetry
from earshot_chassis.buckets import Bucket, Entry
from earshot_chassis.bus import Bus
from earshot_chassis.errors import PermanentError, RetryableError
from earshot_chassis.pipeline import Pipeline, Write
from earshot_scheduler import wire
from earshot_scheduler.core.changes import settled
from earshot_scheduler.core.values import Schedule, State
from earshot_scheduler.wire import Record
from earshot_topology.streams import SCHEDULES

_STREAM = f"KV_{SCHEDULES.bucket}"
_PREFIX = f"$KV.{SCHEDULES.bucket}."
_WRITE_FOR_S = 5.0
_log = telemetry.logger("store")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a key holds, and the revision to write over; no record: nothing."""

    record: Record | None = None
    revision: int = 0

    @property
    def schedule(self) -> Schedule | None:
        """The schedule, if there is one."""
        return self.record.schedule if self.record is not None else None


_NOTHING = Kept()


class ScheduleStore:
    """Reads and writes schedules.

    Args:
        bus: The bus.
        pipeline: For many at once.
        over_kept_s: How long what is over is kept.
        maximum_age: What rings for longer counts as over.
    """

    def __init__(self, bus: Bus, pipeline: Pipeline, *, over_kept_s: int, maximum_age: timedelta) -> None:
        self._maximum_age = maximum_age
        self._bus = bus
        self._pipeline = pipeline
        self._bucket = Bucket(bus, SCHEDULES.bucket)
        self._over_kept_s = over_kept_s

    async def read(self, household: str, schedule_id: str) -> Kept:
        """Return a schedule, as its stream's leader has it.

        Raises:
            RetryableError: Nobody answered.
            PermanentError: What is kept can't be read.
        """
        return _kept(await self._bucket.read(_key(household, schedule_id)))

    async def read_many(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Kept | PermanentError]:
        """Return schedules by household and id, by one request; what can't be read as the reason.

        In a cluster some may be a write behind, which a compare-and-set finds out.

        Raises:
            RetryableError: Nobody answered.
        """
        subjects = {key: _PREFIX + _key(*key) for key in keys}
        found = await self._pipeline.last(_STREAM, list(subjects.values()))
        read: dict[tuple[str, str], Kept | PermanentError] = {}
        for key, subject in subjects.items():
            entry = found.get(subject)
            try:
                read[key] = _kept(entry) if entry is not None else _NOTHING
            except PermanentError as error:
                read[key] = error
        return read

    async def write(self, household: str, schedule_id: str, record: Record, *, over: int) -> None:
        """Write a schedule whose key is still at a revision.

        Raises:
            ConflictError: It is not; perhaps by an earlier attempt of this very write.
            RetryableError: Nobody acknowledged.
        """
        write = self.written(household, schedule_id, record, over=over)
        await self._bus.store(write.subject, write.payload, write.headers, retry_for_s=_WRITE_FOR_S)

    def written(self, household: str, schedule_id: str, record: Record, *, over: int) -> Write:
        """Return such a write for the pipeline."""
        headers = {"Nats-Expected-Last-Subject-Sequence": str(over)}
        if _is_passing(record.schedule):
            headers["Nats-TTL"] = f"{self._over_kept_s}s"
        return Write(_PREFIX + _key(household, schedule_id), wire.from_record(record), headers)

    async def list(self, household: str) -> tuple[Schedule, ...]:
        """Return a household's schedules that are not over, whatever was acknowledged before among them.

        Raises:
            RetryableError: Nobody answered.
        """
        state = await self._state(household)
        if not state.subjects:
            return ()
        found = await self._pipeline.last(_STREAM, [f"{_PREFIX}{household}.*"], up_to=state.last_seq)
        schedules: list[Schedule] = []
        now = datetime.now(UTC)
        for entry in found.values():
            try:
                schedule = _kept(entry).schedule
            except PermanentError:
                continue
            if schedule is None:
                continue
            schedule = settled(schedule, now, self._maximum_age)
            if schedule.state is not State.OVER:
                schedules.append(schedule)
        return tuple(schedules)

    async def count(self, household: str) -> int:
        """Return how many records a household has, those that are over included.

        Raises:
            RetryableError: Nobody answered.
        """
        return len((await self._state(household)).subjects or {})

    async def _state(self, household: str) -> StreamState:
        """Return the bucket's state as its leader has it, with the household's subjects."""
        try:
            info = await self._bus.jetstream.stream_info(_STREAM, subjects_filter=f"{_PREFIX}{household}.*")
        except Exception as error:
            raise RetryableError(f"{_STREAM}: {type(error).__name__}", code="bus_unavailable") from error
        return info.state


def _key(household: str, schedule_id: str) -> str:
    return f"{household}.{schedule_id}"


def _is_passing(schedule: Schedule | None) -> bool:
    return (
        schedule is None or schedule.state is State.OVER or (schedule.state is State.RINGING and schedule.due is None)
    )


def _kept(entry: Entry) -> Kept:
    if entry.value is None:
        return Kept(revision=entry.revision)
    try:
        return Kept(record=wire.to_record(entry.value), revision=entry.revision)
    except DecodeError as error:
        _log.error("unreadable_record", revision=entry.revision)
        raise PermanentError("what is kept of it can't be read", code="unreadable_record") from error
