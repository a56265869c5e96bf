"""The gRPC face of the scheduler; errors are mapped by the chassis."""

from __future__ import annotations

from datetime import UTC, datetime

import grpc

from earshot.schedule.v1 import schedule_pb2, schedule_pb2_grpc
from earshot_scheduler import editing, wire
from earshot_scheduler.core import changes
from earshot_scheduler.core.changes import Limits
from earshot_scheduler.core.values import Occurrence, Schedule, State
from earshot_scheduler.editing import Change, ScheduleEditor
from earshot_scheduler.errors import InvalidRequestError
from earshot_scheduler.store import ScheduleStore

_NEVER = datetime.max.replace(tzinfo=UTC)


class SchedulerServicer(schedule_pb2_grpc.SchedulerServicer):
    """Serves earshot.schedule.v1.Scheduler."""

    def __init__(self, editor: ScheduleEditor, store: ScheduleStore, limits: Limits) -> None:
        self._editor = editor
        self._store = store
        self._limits = limits

    async def CreateSchedule(  # noqa: N802 - the contract's name
        self,
        request: schedule_pb2.CreateScheduleRequest,
        context: grpc.aio.ServicerContext[schedule_pb2.CreateScheduleRequest, schedule_pb2.CreateScheduleResponse],
    ) -> schedule_pb2.CreateScheduleResponse:
        """Set a schedule; the contract tells the errors."""
        del context
        key = wire.request_key(request.request_id, "create")
        return schedule_pb2.CreateScheduleResponse(schedule=await self._editor.create(wire.to_new(request), key))

    async def UpdateSchedule(  # noqa: N802 - the contract's name
        self,
        request: schedule_pb2.UpdateScheduleRequest,
        context: grpc.aio.ServicerContext[schedule_pb2.UpdateScheduleRequest, schedule_pb2.UpdateScheduleResponse],
    ) -> schedule_pb2.UpdateScheduleResponse:
        """Change a schedule; the contract tells the errors."""
        del context
        changed = await self._editor.change(
            wire.identifier(request.household_id, "household_id"),
            wire.identifier(request.schedule_id, "schedule_id"),
            wire.request_key(request.request_id, "update"),
            self._change(request),
            expected_revision=request.expected_revision,
        )
        return schedule_pb2.UpdateScheduleResponse(schedule=changed)

    async def DeleteSchedule(  # noqa: N802 - the contract's name
        self,
        request: schedule_pb2.DeleteScheduleRequest,
        context: grpc.aio.ServicerContext[schedule_pb2.DeleteScheduleRequest, schedule_pb2.DeleteScheduleResponse],
    ) -> schedule_pb2.DeleteScheduleResponse:
        """Cancel a schedule; the contract tells the errors."""
        del context
        deleted = await self._editor.delete(
            wire.identifier(request.household_id, "household_id"),
            wire.identifier(request.schedule_id, "schedule_id"),
            wire.request_key(request.request_id, "delete"),
        )
        return schedule_pb2.DeleteScheduleResponse(schedule=deleted)

    async def ListSchedules(  # noqa: N802 - the contract's name
        self,
        request: schedule_pb2.ListSchedulesRequest,
        context: grpc.aio.ServicerContext[schedule_pb2.ListSchedulesRequest, schedule_pb2.ListSchedulesResponse],
    ) -> schedule_pb2.ListSchedulesResponse:
        """List a household's schedules; the contract tells the errors."""
        del context
        household = wire.identifier(request.household_id, "household_id")
        device = wire.identifier(request.device_id, "device_id") if request.device_id else ""
        wanted = wire.kinds(request.kinds)
        schedules = [
            schedule
            for schedule in await self._store.list(household)
            if device in {"", schedule.device} and (not wanted or schedule.kind in wanted)
        ]
        schedules.sort(key=_by_time)
        return schedule_pb2.ListSchedulesResponse(schedules=[wire.from_schedule(schedule) for schedule in schedules])

    def _change(self, request: schedule_pb2.UpdateScheduleRequest) -> Change:
        match request.WhichOneof("change"):
            case "move_to":
                return editing.move(wire.moment(request.move_to), self._limits)
            case "extend_by":
                return editing.extend(wire.duration(request.extend_by), self._limits)
            case "paused":
                return changes.pause if request.paused else changes.resume
            case "label":
                return lambda schedule, _now: changes.rename(schedule, request.label)
            case "dismissed" if request.dismissed:
                return lambda schedule, _now: changes.dismiss(schedule)
            case _:
                raise InvalidRequestError("it says no change", code="change_missing")


def _by_time(schedule: Schedule) -> tuple[datetime, str]:
    """Order schedules: what rings by when it was due, what is paused last."""
    rings = Occurrence.read(schedule.occurrence_id) if schedule.state is State.RINGING else None
    due = rings.due if rings is not None else schedule.due
    return due or _NEVER, schedule.schedule_id
