"""Between protobuf and the core: schedules, records, requests, directives. Nothing else here knows both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from earshot.device.v1 import directive_pb2
from earshot.schedule.v1 import record_pb2, schedule_pb2
from earshot_chassis.codec import added
from earshot_scheduler.core.changes import New
from earshot_scheduler.core.values import Kind, Occurrence, Schedule, State, schedule_id_of
from earshot_scheduler.errors import InvalidRequestError
from earshot_topology.subjects import InvalidTokenError, token

_KINDS = {
    schedule_pb2.SCHEDULE_KIND_TIMER: Kind.TIMER,
    schedule_pb2.SCHEDULE_KIND_ALARM: Kind.ALARM,
    schedule_pb2.SCHEDULE_KIND_REMINDER: Kind.REMINDER,
}
_KIND_VALUES = {kind: value for value, kind in _KINDS.items()}
_RINGS = {
    Kind.TIMER: directive_pb2.RING_KIND_TIMER,
    Kind.ALARM: directive_pb2.RING_KIND_ALARM,
    Kind.REMINDER: directive_pb2.RING_KIND_REMINDER,
}
_STATES = {
    schedule_pb2.SCHEDULE_STATE_ARMED: State.ARMED,
    schedule_pb2.SCHEDULE_STATE_PAUSED: State.PAUSED,
    schedule_pb2.SCHEDULE_STATE_RINGING: State.RINGING,
}
_STATE_VALUES = {state: value for value, state in _STATES.items()}
_LONGEST_REQUEST_ID = 200
# A record holds a schedule and the answers to the requests that changed it: ten of these.
_LONGEST_ADDED = 4096
# Requests, and occurrences that were stopped, that a record remembers.
_REMEMBERED = 8
_STOPPED = 4
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A request that was carried out: its key, its answer, and the occurrence that it stopped."""

    key: str
    answer: schedule_pb2.Schedule
    stopped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A schedule as it is kept. Without one: a place that was taken so that an arming nobody completed never is.

    Attributes:
        schedule: The schedule.
        requests: What was carried out.
        stopped: The last few occurrences that have to be stopped; whoever wrote that may have died before it told them.
        added: What a later contract has added to it: kept, and never looked inside.
    """

    schedule: Schedule | None = None
    requests: tuple[Applied, ...] = ()
    stopped: tuple[str, ...] = ()
    added: bytes = b""

    def after(self, schedule: Schedule, stopped: str = "", request: Applied | None = None) -> Record:
        """Return the record after a change.

        Args:
            schedule: What the change made of it.
            stopped: The occurrence that it stops.
            request: What was carried out.
        """
        requests = self.requests if request is None else (*self.requests, request)
        if len(requests) > _REMEMBERED + 1:
            # The request that created it and the last few others.
            requests = (requests[0], *requests[-_REMEMBERED:])
        every = (*self.stopped, stopped) if stopped and stopped not in self.stopped else self.stopped
        return replace(self, schedule=schedule, requests=requests, stopped=every[-_STOPPED:])

    def applied(self, key: str) -> Applied | None:
        """Return what a request was answered, if it was carried out."""
        return next((each for each in self.requests if each.key == key), None)


def to_record(payload: bytes) -> Record:
    """Read what a bucket holds.

    Raises:
        DecodeError: It is not a record.
    """
    kept = record_pb2.ScheduleRecord.FromString(payload)
    requests = tuple(
        Applied(key=each.key, answer=each.schedule, stopped=each.stopped_occurrence_id) for each in kept.requests
    )
    stopped = tuple(kept.stopped_occurrence_ids)
    if not kept.schedule.schedule_id:
        return Record(requests=requests, stopped=stopped, added=added(kept))
    told = kept.schedule
    try:
        state = State.OVER if kept.over else _STATES[told.state]
        schedule = Schedule(
            schedule_id=told.schedule_id,
            household=told.household_id,
            device=told.device_id,
            kind=_KINDS[told.kind],
            state=state,
            revision=told.timer_revision,
            armed_revision=kept.armed_revision,
            label=told.label,
            locale=told.locale,
            time_zone=told.time_zone,
            local_time=told.local_time,
            rule=told.recurrence_rule,
            singles=tuple(each.ToDatetime(tzinfo=UTC) for each in kept.single_times),
            regular=datetime.fromisoformat(kept.regular_time) if kept.regular_time else None,
            regular_count=kept.regular_count or None,
            remaining=told.remaining.ToTimedelta() if told.HasField("remaining") else None,
            length=told.length.ToTimedelta() if told.HasField("length") else None,
            occurrence_id=told.occurrence_id,
            added=added(told),
        )
    except (KeyError, ValueError) as error:
        raise DecodeError("not a schedule") from error
    kept.ClearField("schedule")
    return Record(schedule=schedule, requests=requests, stopped=stopped, added=added(kept))


def from_record(record: Record) -> bytes:
    """Return what is kept of a schedule."""
    kept = record_pb2.ScheduleRecord(
        requests=[
            record_pb2.AppliedRequest(key=each.key, schedule=each.answer, stopped_occurrence_id=each.stopped)
            for each in record.requests
        ],
        stopped_occurrence_ids=record.stopped,
    )
    schedule = record.schedule
    if schedule is not None:
        kept.schedule.CopyFrom(from_schedule(schedule))
        kept.armed_revision = schedule.armed_revision
        kept.single_times.extend(_timestamp(single) for single in schedule.singles)
        kept.regular_time = schedule.regular.isoformat() if schedule.regular is not None else ""
        kept.regular_count = schedule.regular_count or 0
        kept.over = schedule.state is State.OVER
    kept.MergeFromString(record.added)
    return kept.SerializeToString(deterministic=True)


def from_schedule(schedule: Schedule) -> schedule_pb2.Schedule:
    """Return a schedule as clients see it."""
    told = schedule_pb2.Schedule(
        schedule_id=schedule.schedule_id,
        timer_revision=schedule.revision,
        household_id=schedule.household,
        device_id=schedule.device,
        kind=_KIND_VALUES[schedule.kind],
        label=schedule.label,
        recurrence_rule=schedule.rule,
        time_zone=schedule.time_zone,
        local_time=schedule.local_time,
        locale=schedule.locale,
        state=_STATE_VALUES.get(schedule.state, schedule_pb2.SCHEDULE_STATE_UNSPECIFIED),
        occurrence_id=schedule.occurrence_id,
    )
    due = schedule.due
    if due is not None:
        told.due_time.CopyFrom(_timestamp(due))
    if schedule.remaining is not None:
        told.remaining.FromTimedelta(schedule.remaining)
    if schedule.length is not None:
        told.length.FromTimedelta(schedule.length)
    told.MergeFromString(schedule.added)
    return told


def to_new(request: schedule_pb2.CreateScheduleRequest) -> New:
    """Read what is to be set.

    Raises:
        InvalidRequestError: An id, a kind or a time can't be one; or later contracts have added too much to it.
    """
    told = request.schedule
    rest = added(told)
    if len(rest) > _LONGEST_ADDED:
        raise InvalidRequestError("more was added to it than is kept of a schedule", code="schedule_too_large")
    if told.kind not in _KINDS:
        raise InvalidRequestError("it has to be a timer, an alarm or a reminder", code="unknown_kind")
    household = identifier(told.household_id, "household_id")
    request_key(request.request_id, "create")
    return New(
        schedule_id=schedule_id_of(household, request.request_id),
        household=household,
        device=identifier(told.device_id, "device_id"),
        kind=_KINDS[told.kind],
        label=told.label,
        locale=told.locale,
        time_zone=told.time_zone,
        local_time=told.local_time,
        rule=told.recurrence_rule,
        due=moment(told.due_time) if told.HasField("due_time") else None,
        remaining=duration(told.remaining) if told.HasField("remaining") else None,
        added=rest,
    )


def request_key(request_id: str, method: str) -> str:
    """Return what a request is recognised by.

    Raises:
        InvalidRequestError: It has no usable id.
    """
    if not 1 <= len(request_id) <= _LONGEST_REQUEST_ID:
        raise InvalidRequestError(f"a request_id has 1 to {_LONGEST_REQUEST_ID} characters", code="invalid_request_id")
    return f"{method}:{request_id}"


def identifier(value: str, name: str) -> str:
    """Return an id that can stand in a subject.

    Raises:
        InvalidRequestError: It can't.
    """
    try:
        return token(value)
    except InvalidTokenError as error:
        raise InvalidRequestError(f"{name} is {error}", code="invalid_id") from error


def kinds(values: Sequence[int]) -> frozenset[Kind]:
    """Read a filter; none: every kind.

    Raises:
        InvalidRequestError: One is unknown.
    """
    if any(value not in _KINDS for value in values):
        raise InvalidRequestError("an unknown kind", code="unknown_kind")
    return frozenset(_KINDS[value] for value in values)  # type: ignore[index]


def moment(value: Timestamp) -> datetime:
    """Read a moment.

    Raises:
        InvalidRequestError: It can't be one.
    """
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError("not a moment", code="invalid_time") from error


def duration(value: Duration) -> timedelta:
    """Read a duration.

    Raises:
        InvalidRequestError: It can't be one, or is longer than a thousand years.
    """
    try:
        read = value.ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError("not a duration", code="invalid_duration") from error
    if abs(read) > timedelta(days=365_000):
        raise InvalidRequestError("too long a duration", code="invalid_duration")
    return read


def to_occurrence(due: schedule_pb2.OccurrenceDue) -> Occurrence:
    """Read what is due.

    Raises:
        InvalidRequestError: An id or its time can't be one.
    """
    identifier(due.household_id, "household_id")
    return Occurrence(
        schedule_id=identifier(due.schedule_id, "schedule_id"), revision=due.timer_revision, due=moment(due.due_time)
    )


def from_occurrence(occurrence: Occurrence, household: str) -> schedule_pb2.OccurrenceDue:
    """Return an occurrence as it is armed."""
    return schedule_pb2.OccurrenceDue(
        occurrence_id=occurrence.occurrence_id,
        schedule_id=occurrence.schedule_id,
        household_id=household,
        timer_revision=occurrence.revision,
        due_time=_timestamp(occurrence.due),
    )


def ring(
    schedule: Schedule, occurrence: Occurrence, *, expires: datetime, announcement: directive_pb2.Speak | None
) -> directive_pb2.Directive:
    """Return the directive that makes a device ring."""
    directive = directive_pb2.Directive(
        directive_id=f"ring.{occurrence.occurrence_id}",
        expire_time=_timestamp(expires),
        ring=directive_pb2.Ring(
            occurrence_id=occurrence.occurrence_id,
            label=schedule.label,
            due_time=_timestamp(occurrence.due),
            timer_revision=occurrence.revision,
            kind=_RINGS[schedule.kind],
        ),
    )
    if schedule.length is not None:
        directive.ring.length.FromTimedelta(schedule.length)
    if announcement is not None:
        directive.ring.announcement.CopyFrom(announcement)
    return directive


def stop_ring(occurrence_id: str) -> directive_pb2.Directive:
    """Return the directive that makes a device stop ringing."""
    return directive_pb2.Directive(
        directive_id=f"stop_ring.{occurrence_id}", stop_ring=directive_pb2.StopRing(occurrence_id=occurrence_id)
    )


def _timestamp(value: datetime) -> Timestamp:
    # Without the checks and string constants of FromDatetime, which costs three times as much.
    elapsed = value - _EPOCH
    return Timestamp(seconds=elapsed.days * 86_400 + elapsed.seconds, nanos=elapsed.microseconds * 1_000)
