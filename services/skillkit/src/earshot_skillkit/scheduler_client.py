"""The scheduler over gRPC.

A call that finds no replica, or whose replica dies, is made again until its deadline: under the same id a change is carried
out once, however often it is asked for. When the time is over, what is known decides what is raised. Nothing left this
process: SchedulesUnavailableError. A change was on its way: EffectUnknownError, for it may have been made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import grpc

from earshot.schedule.v1 import schedule_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_errors import CUT_OFF, from_rpc_error
from earshot_skillkit import scheduler_wire as wire
from earshot_skillkit.errors import (
    EffectUnknownError,
    InvalidScheduleError,
    ScheduleInPastError,
    ScheduleNotFoundError,
    SchedulerNotConfiguredError,
    SchedulesUnavailableError,
    TooManySchedulesError,
)
from earshot_skillkit.schedules import Change, NewSchedule, Schedule, ScheduleKind

T = TypeVar("T")

# Left to say that it did not work.
_MARGIN_S = 0.3
_PAUSE_S = 0.1
_OVERLOADED = "overloaded"
_IN_PAST = "due_in_past"
_WORTH_REPEATING = {
    *CUT_OFF,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
}
_REFUSALS: dict[grpc.StatusCode, type[InvalidScheduleError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidScheduleError,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidScheduleError,
    grpc.StatusCode.NOT_FOUND: ScheduleNotFoundError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TooManySchedulesError,
}


class GrpcScheduler:
    """The scheduler service; connected when it is first used.

    Args:
        target: gRPC name of all its replicas; empty: not configured.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._channel: grpc.aio.Channel | None = None

    async def create(self, new: NewSchedule, *, request_id: str, deadline: datetime) -> Schedule:
        """See Scheduler."""
        stub, request = self._stub(), wire.create_request(new, request_id)
        response = await self._call(lambda left_s: stub.CreateSchedule(request, timeout=left_s), deadline, changes=True)
        return wire.schedule(response.schedule)

    async def update(
        self, household_id: str, schedule_id: str, change: Change, *, request_id: str, deadline: datetime
    ) -> Schedule:
        """See Scheduler."""
        stub, request = self._stub(), wire.update_request(household_id, schedule_id, change, request_id)
        response = await self._call(lambda left_s: stub.UpdateSchedule(request, timeout=left_s), deadline, changes=True)
        return wire.schedule(response.schedule)

    async def delete(self, household_id: str, schedule_id: str, *, request_id: str, deadline: datetime) -> Schedule:
        """See Scheduler."""
        stub, request = self._stub(), wire.delete_request(household_id, schedule_id, request_id)
        response = await self._call(lambda left_s: stub.DeleteSchedule(request, timeout=left_s), deadline, changes=True)
        return wire.schedule(response.schedule)

    async def listed(
        self, household_id: str, *, device_id: str, kinds: Sequence[ScheduleKind], deadline: datetime
    ) -> tuple[Schedule, ...]:
        """See Scheduler."""
        stub, request = self._stub(), wire.list_request(household_id, device_id, kinds)
        response = await self._call(lambda left_s: stub.ListSchedules(request, timeout=left_s), deadline, changes=False)
        return tuple(wire.schedule(schedule) for schedule in response.schedules)

    async def close(self) -> None:
        """See Scheduler."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    def _connected(self) -> grpc.aio.Channel:
        if not self._target:
            raise SchedulerNotConfiguredError("EARSHOT_SCHEDULER_TARGET is not set: give the scheduler's gRPC target")
        if self._channel is None:
            self._channel = connect(self._target)
        return self._channel

    def _stub(self) -> schedule_pb2_grpc.SchedulerAsyncStub:
        return schedule_pb2_grpc.SchedulerStub(self._connected())

    async def _call(self, attempt: Callable[[float], Awaitable[T]], deadline: datetime, *, changes: bool) -> T:
        channel, sent = self._connected(), False
        while await _ready(channel, _left_s(deadline)):
            try:
                return await attempt(max(_left_s(deadline), 0.001))
            except grpc.aio.AioRpcError as error:
                _raise_refusal(error)
                sent = True
                if error.code() not in _WORTH_REPEATING:
                    break
            await asyncio.sleep(_PAUSE_S)
        if sent and changes:
            raise EffectUnknownError("the scheduler gave no answer")
        raise SchedulesUnavailableError("the scheduler can't be reached")


def _left_s(deadline: datetime) -> float:
    return (deadline - datetime.now(UTC)).total_seconds() - _MARGIN_S


async def _ready(channel: grpc.aio.Channel, left_s: float) -> bool:
    """Wait for a replica to be connected, at most as long; tell whether one is."""
    if left_s <= 0:
        return False
    try:
        async with asyncio.timeout(left_s):
            await channel.channel_ready()
    except TimeoutError:
        return False
    return True


def _raise_refusal(error: grpc.aio.AioRpcError) -> None:
    """Raise what a scheduler says that will not change by asking again."""
    told = from_rpc_error(error)
    kind = _REFUSALS.get(error.code())
    if kind is InvalidScheduleError and told.code == _IN_PAST:
        kind = ScheduleInPastError
    if kind is not None and told.code != _OVERLOADED:
        raise kind(f"the scheduler refused it: {told.code}") from error
