"""Schedulers on a real bus, in the test's own process or as processes, and devices that count what rings."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc
from nats.aio.client import Client
from nats.aio.msg import Msg

from earshot.device.v1 import directive_pb2
from earshot.schedule.v1 import schedule_pb2, schedule_pb2_grpc
from earshot_chassis.bus import Bus
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_errors import from_rpc_error
from earshot_chassis.rpc_server import GrpcServer
from earshot_chassis.settings import ServiceSettings
from earshot_scheduler.composition import Scheduler
from earshot_scheduler.settings import SchedulerSettings
from support.nats import NatsServer

_numbers = itertools.count()


def fresh(prefix: str = "h") -> str:
    """Return a household or device that no other test has."""
    return f"{prefix}{next(_numbers)}"


@dataclass(slots=True)
class Replica:
    """A scheduler in this process: its bus, its parts and a stub to call it by."""

    bus: Bus
    scheduler: Scheduler
    stub: schedule_pb2_grpc.SchedulerStub
    target: str


@contextlib.asynccontextmanager
async def scheduler_on(server: NatsServer, *, consume: bool = True, **settings: object) -> AsyncIterator[Replica]:
    """Run a replica; without consume it only answers calls."""
    bus = Bus("scheduler", ServiceSettings(nats_url=server.url))
    await bus.connect()
    scheduler = Scheduler(bus, SchedulerSettings(**settings))
    server_side = GrpcServer()
    schedule_pb2_grpc.add_SchedulerServicer_to_server(scheduler.servicer, server_side._server)
    port = await server_side.start("127.0.0.1", 0)
    await scheduler.start()
    if consume:
        await bus.start()
    target = f"127.0.0.1:{port}"
    try:
        async with connect(target, default_timeout_s=20) as channel:
            yield Replica(bus, scheduler, schedule_pb2_grpc.SchedulerStub(channel), target)
    finally:
        await bus.stop_consuming(2.0)
        await scheduler.stop()
        await server_side.stop(0)
        await bus.close()


@dataclass(slots=True)
class Home:
    """A household with a device, as a skill sees it."""

    stub: schedule_pb2_grpc.SchedulerStub
    household: str = field(default_factory=fresh)
    device: str = "kitchen"

    async def timer(self, seconds: float, request: str = "", **fields: object) -> schedule_pb2.Schedule:
        """Set a timer."""
        schedule = self.schedule(schedule_pb2.SCHEDULE_KIND_TIMER, **fields)
        schedule.remaining.FromMicroseconds(round(seconds * 1e6))
        return await self.create(schedule, request)

    async def alarm(self, request: str = "", *, due: datetime | None = None, **fields: object) -> schedule_pb2.Schedule:
        """Set an alarm."""
        schedule = self.schedule(schedule_pb2.SCHEDULE_KIND_ALARM, **fields)
        if due is not None:
            schedule.due_time.FromDatetime(due)
        return await self.create(schedule, request)

    def schedule(self, kind: int, **fields: object) -> schedule_pb2.Schedule:
        """Return what is to be set."""
        given = {"locale": "en-US", "household_id": self.household, "device_id": self.device} | fields
        return schedule_pb2.Schedule(kind=kind, **given)

    async def create(self, schedule: schedule_pb2.Schedule, request: str = "") -> schedule_pb2.Schedule:
        """Set it."""
        request = request or fresh("request")
        answer = await self.stub.CreateSchedule(
            schedule_pb2.CreateScheduleRequest(schedule=schedule, request_id=request)
        )
        return answer.schedule

    async def update(
        self, schedule: schedule_pb2.Schedule | str, request: str = "", **change: object
    ) -> schedule_pb2.Schedule:
        """Change it."""
        schedule_id = schedule if isinstance(schedule, str) else schedule.schedule_id
        answer = await self.stub.UpdateSchedule(
            schedule_pb2.UpdateScheduleRequest(
                household_id=self.household,
                schedule_id=schedule_id,
                request_id=request or fresh("request"),
                **change,
            )
        )
        return answer.schedule

    async def delete(self, schedule: schedule_pb2.Schedule, request: str = "") -> schedule_pb2.Schedule:
        """Cancel it."""
        answer = await self.stub.DeleteSchedule(
            schedule_pb2.DeleteScheduleRequest(
                household_id=self.household, schedule_id=schedule.schedule_id, request_id=request or fresh("request")
            )
        )
        return answer.schedule

    async def list(self, **filters: object) -> list[schedule_pb2.Schedule]:
        """List them."""
        answer = await self.stub.ListSchedules(
            schedule_pb2.ListSchedulesRequest(household_id=self.household, **filters)
        )
        return list(answer.schedules)

    async def until(
        self, holds: Callable[[list[schedule_pb2.Schedule]], bool], timeout_s: float = 15.0
    ) -> list[schedule_pb2.Schedule]:
        """Wait until something holds of the household's schedules."""
        async with asyncio.timeout(timeout_s):
            while not holds(found := await self.list()):
                await asyncio.sleep(0.02)
        return found

    def ringing(self, found: list[schedule_pb2.Schedule]) -> bool:
        """Tell whether something rings."""
        return any(each.state == schedule_pb2.SCHEDULE_STATE_RINGING for each in found)


@dataclass(slots=True)
class Directives:
    """Everything that devices are told from now on."""

    client: Client
    heard: list[tuple[float, str, directive_pb2.Directive]] = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def of(cls, client: Client, subject: str = "device.*.*.down.directive") -> Directives:
        """Start to listen."""
        directives = cls(client)

        async def hear(message: Msg) -> None:
            told = directive_pb2.Directive.FromString(message.data)
            directives.heard.append((time.time(), message.subject, told))
            directives._came.set()

        await client.subscribe(subject, cb=hear)
        await client.flush()
        return directives

    def of_home(self, home: Home) -> list[directive_pb2.Directive]:
        """Return what a household's device was told; what was told again, as a device takes it: once, by its id."""
        subject = f"device.{home.household}.{home.device}.down.directive"
        return list({told.directive_id: told for _, heard_on, told in self.heard if heard_on == subject}.values())

    async def wait(self, home: Home, kind: str, count: int = 1, timeout_s: float = 15.0) -> directive_pb2.Directive:
        """Wait for a device's nth directive of a kind; return it."""
        async with asyncio.timeout(timeout_s):
            while True:
                told = [each for each in self.of_home(home) if each.WhichOneof("command") == kind]
                if len(told) >= count:
                    return told[count - 1]
                self._came.clear()
                await self._came.wait()


def code_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason that an error tells programs."""
    return from_rpc_error(error).code


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)
