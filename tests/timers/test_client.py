"""The skillkit's client of the scheduler, when replicas die, hang, or are not there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from earshot.schedule.v1 import schedule_pb2, schedule_pb2_grpc
from earshot_skillkit import (
    EffectUnknownError,
    NewSchedule,
    ScheduleKind,
    SchedulerNotConfiguredError,
    SchedulesUnavailableError,
)
from earshot_skillkit.scheduler_client import GrpcScheduler

NEW = NewSchedule(household_id="h", device_id="d", kind=ScheduleKind.TIMER, length=timedelta(minutes=5))
Answer = Callable[[int, Any], Any]


class Script(schedule_pb2_grpc.SchedulerServicer):
    """Does what a test says for each request, by its number."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.request_ids: list[str] = []

    async def CreateSchedule(self, request: Any, context: Any) -> Any:
        """Answer."""
        self.request_ids.append(request.request_id)
        await self._answer(len(self.request_ids), context)
        schedule = schedule_pb2.Schedule(schedule_id="s", kind=1, state=1, timer_revision=1)
        return schedule_pb2.CreateScheduleResponse(schedule=schedule)

    async def ListSchedules(self, request: Any, context: Any) -> Any:
        """Answer."""
        self.request_ids.append(request.household_id)
        await self._answer(len(self.request_ids), context)
        return schedule_pb2.ListSchedulesResponse()


@contextlib.asynccontextmanager
async def scripted(answer: Answer) -> AsyncIterator[tuple[Script, GrpcScheduler]]:
    """Serve a script, and connect a client to it."""
    script, server = Script(answer), grpc.aio.server()
    schedule_pb2_grpc.add_SchedulerServicer_to_server(script, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = GrpcScheduler(f"127.0.0.1:{port}")
    try:
        yield script, client
    finally:
        await client.close()
        await server.stop(0)


def within(seconds: float) -> datetime:
    """Return a deadline."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_call_is_made_again_under_the_same_id() -> None:
    """A replica that is unavailable is asked again, and a repetition says which request it repeats."""

    async def answer(number: int, context: Any) -> None:
        if number < 3:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "going down")

    async with scripted(answer) as (script, client):
        schedule = await client.create(NEW, request_id="r", deadline=within(20))
    assert schedule.schedule_id == "s"
    assert script.request_ids == ["r", "r", "r"]


async def test_change_without_an_answer_is_unknown() -> None:
    """When a change may have been carried out and nobody says so in time, that is what is told; a question is just away."""

    async def answer(_number: int, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the bus does not answer")

    async with scripted(answer) as (script, client):
        with pytest.raises(EffectUnknownError):
            await client.create(NEW, request_id="r", deadline=within(1.5))
        assert len(script.request_ids) > 1
        with pytest.raises(SchedulesUnavailableError):
            await client.listed("h", device_id="", kinds=(), deadline=within(1.5))


async def test_deadline_of_the_call_is_kept() -> None:
    """A scheduler that hangs does not hold the skill beyond its call's deadline."""

    async def answer(_number: int, _context: Any) -> None:
        await asyncio.Event().wait()

    async with scripted(answer) as (_, client):
        began = asyncio.get_running_loop().time()
        with pytest.raises(EffectUnknownError):
            await client.create(NEW, request_id="r", deadline=within(1.0))
        assert asyncio.get_running_loop().time() - began < 8


async def test_nobody_there() -> None:
    """Where no replica listens, nothing has left: that is told apart from not knowing."""
    client = GrpcScheduler("127.0.0.1:1")
    with pytest.raises(SchedulesUnavailableError) as told:
        await client.create(NEW, request_id="r", deadline=within(0.8))
    assert told.value.code == "schedules_unavailable"
    await client.close()


async def test_answer_that_will_not_change_is_not_asked_for_again() -> None:
    """A mistake of the scheduler's own ends the call at once."""

    async def answer(_number: int, context: Any) -> None:
        await context.abort(grpc.StatusCode.INTERNAL, "a mistake")

    async with scripted(answer) as (script, client):
        with pytest.raises(EffectUnknownError):
            await client.create(NEW, request_id="r", deadline=within(20))
    assert len(script.request_ids) == 1


async def test_without_a_target_the_setting_is_named() -> None:
    """A skill that nobody has told where the scheduler is says which setting is missing."""
    with pytest.raises(SchedulerNotConfiguredError, match="EARSHOT_SCHEDULER_TARGET") as told:
        await GrpcScheduler("").create(NEW, request_id="r", deadline=within(5))
    assert told.value.code == "scheduler_not_configured"
