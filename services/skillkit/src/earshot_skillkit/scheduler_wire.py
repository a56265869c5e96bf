"""Maps between the scheduler's contract (earshot.schedule.v1) and what skills see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time

from google.protobuf import duration_pb2

from earshot.schedule.v1 import schedule_pb2
from earshot_skillkit.errors import SchedulesUnavailableError
from earshot_skillkit.schedules import (
    Change,
    Dismiss,
    Extend,
    Move,
    NewSchedule,
    Rename,
    Schedule,
    ScheduleKind,
    ScheduleState,
    SetPaused,
)
from earshot_skillkit.wire import timestamp

_KINDS = {
    ScheduleKind.TIMER: schedule_pb2.SCHEDULE_KIND_TIMER,
    ScheduleKind.ALARM: schedule_pb2.SCHEDULE_KIND_ALARM,
    ScheduleKind.REMINDER: schedule_pb2.SCHEDULE_KIND_REMINDER,
}
_STATES = {
    ScheduleState.ARMED: schedule_pb2.SCHEDULE_STATE_ARMED,
    ScheduleState.PAUSED: schedule_pb2.SCHEDULE_STATE_PAUSED,
    ScheduleState.RINGING: schedule_pb2.SCHEDULE_STATE_RINGING,
    ScheduleState.OVER: schedule_pb2.SCHEDULE_STATE_UNSPECIFIED,
}
_KIND_OF = {number: kind for kind, number in _KINDS.items()}
_STATE_OF = {number: state for state, number in _STATES.items()}


def create_request(new: NewSchedule, request_id: str) -> schedule_pb2.CreateScheduleRequest:
    """Return the request to set a schedule."""
    message = schedule_pb2.Schedule(
        household_id=new.household_id,
        device_id=new.device_id,
        kind=_KINDS[new.kind],
        label=new.label,
        recurrence_rule=new.recurrence,
        time_zone=new.time_zone,
        local_time=new.local_time.isoformat("seconds") if new.local_time is not None else "",
        locale=new.locale,
    )
    if new.length is not None:
        message.remaining.FromTimedelta(new.length)
    if new.due is not None:
        message.due_time.CopyFrom(timestamp(new.due))
    return schedule_pb2.CreateScheduleRequest(schedule=message, request_id=request_id)


def update_request(
    household_id: str, schedule_id: str, change: Change, request_id: str
) -> schedule_pb2.UpdateScheduleRequest:
    """Return the request to change a schedule."""
    message = schedule_pb2.UpdateScheduleRequest(
        household_id=household_id, schedule_id=schedule_id, request_id=request_id
    )
    match change:
        case Move():
            message.move_to.CopyFrom(timestamp(change.to))
        case Extend():
            by = duration_pb2.Duration()
            by.FromTimedelta(change.by)
            message.extend_by.CopyFrom(by)
        case SetPaused():
            message.paused = change.paused
        case Rename():
            message.label = change.label
        case Dismiss():
            message.dismissed = True
    return message


def delete_request(household_id: str, schedule_id: str, request_id: str) -> schedule_pb2.DeleteScheduleRequest:
    """Return the request to cancel a schedule."""
    return schedule_pb2.DeleteScheduleRequest(household_id=household_id, schedule_id=schedule_id, request_id=request_id)


def list_request(household_id: str, device_id: str, kinds: Sequence[ScheduleKind]) -> schedule_pb2.ListSchedulesRequest:
    """Return the request to list schedules."""
    return schedule_pb2.ListSchedulesRequest(
        household_id=household_id, device_id=device_id, kinds=[_KINDS[kind] for kind in kinds]
    )


def schedule(message: schedule_pb2.Schedule) -> Schedule:
    """Return a schedule as skills see it.

    Raises:
        SchedulesUnavailableError: It is none that this version understands.
    """
    kind, state = _KIND_OF.get(message.kind), _STATE_OF.get(message.state)
    if kind is None or state is None:
        raise SchedulesUnavailableError("the scheduler sent a schedule of an unknown kind or state")
    try:
        local_time = time.fromisoformat(message.local_time) if message.local_time else None
    except ValueError as error:
        raise SchedulesUnavailableError("the scheduler sent a time of day that is none") from error
    return Schedule(
        schedule_id=message.schedule_id,
        revision=message.timer_revision,
        device_id=message.device_id,
        kind=kind,
        state=state,
        label=message.label,
        due=_moment(message),
        remaining=message.remaining.ToTimedelta() if message.HasField("remaining") else None,
        length=message.length.ToTimedelta() if message.HasField("length") else None,
        recurrence=message.recurrence_rule,
        local_time=local_time,
        time_zone=message.time_zone,
        occurrence_id=message.occurrence_id,
    )


def _moment(message: schedule_pb2.Schedule) -> datetime | None:
    return message.due_time.ToDatetime(UTC) if message.HasField("due_time") else None
