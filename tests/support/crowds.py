"""Many schedules that are due at one instant, the processes that make them ring, and devices that count.

A device counts as the real one does: what comes on its directive subject, and what is kept for it and read again whenever
it was away, goes through its `DirectiveLog`; it rings once for each directive that the log admits.

Lateness is counted from the instant, or from recovery if that is later: the moment from which the bus answers and at
least one scheduler says on /readyz that it is ready, as an observer sees it who asks every 20 ms until they do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from earshot.device.v1 import directive_pb2
from earshot.schedule.v1 import schedule_pb2, schedule_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_chassis.sink import Sink
from earshot_device.core.directives import Directive, DirectiveLog, Ring
from earshot_device.core.ids import DirectiveId
from support.nats import NatsServer, free_port

_ASK_EVERY_S = 0.02
# While it is able to: looking costs the time of those that are looked at.
_ASK_AGAIN_S = 0.1
_AT_ONCE_S = 0.25
_CALLS_AT_ONCE = 48
_CREATE_TIMEOUT_S = 20.0
_PAGE = 1_000


class SchedulerProcess:
    """A scheduler as a process, which keeps its ports when it is started again."""

    def __init__(self, server: NatsServer, **environment: str) -> None:
        self.grpc_port, self.http_port = free_port(), free_port()
        self._environment = {
            **os.environ,
            "EARSHOT_NATS_URL": server.url,
            "EARSHOT_GRPC_PORT": str(self.grpc_port),
            "EARSHOT_HTTP_PORT": str(self.http_port),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "earshot_scheduler"],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """SIGKILL it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """SIGKILL it and start it again."""
        self.kill()
        self.start()

    def ready(self) -> bool:
        """Tell whether it says that it is ready; blocking."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    async def until_ready(self, timeout_s: float = 40.0) -> None:
        """Wait until it says that it is ready."""
        async with asyncio.timeout(timeout_s):
            while not await asyncio.to_thread(self.ready):
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def scheduler_processes(server: NatsServer, count: int = 2) -> AsyncIterator[list[SchedulerProcess]]:
    """Run schedulers until they are ready, and end them."""
    schedulers = [SchedulerProcess(server) for _ in range(count)]
    try:
        for scheduler in schedulers:
            scheduler.start()
        await asyncio.gather(*(scheduler.until_ready() for scheduler in schedulers))
        yield schedulers
    finally:
        for scheduler in schedulers:
            scheduler.kill()


@dataclass(slots=True)
class Observer:
    """Notes when the system was able to ring: it was asked then, and within 0.25 s the bus answered and a scheduler was ready."""

    client: Client
    schedulers: list[SchedulerProcess]
    able: list[float] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to look."""
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Look no more."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            asked, able = time.time(), False
            # Who waits out a connection that comes back was answered, but not at that moment.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AT_ONCE_S):
                    able = await self._able()
            if able:
                self.able.append(asked)
            await asyncio.sleep(_ASK_AGAIN_S if able else _ASK_EVERY_S)

    async def _able(self) -> bool:
        if not await answers(self.client.jetstream(), "OCCURRENCES"):
            return False
        for each in self.schedulers:
            if each.process is not None and await asyncio.to_thread(each.ready):
                return True
        return False


@dataclass(slots=True)
class Devices:
    """Every device of a crowd: what it was told, how often it rang and when first."""

    client: Client
    messages: int = 0
    rang: Counter[str] = field(default_factory=Counter)
    first: dict[str, float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    _logs: dict[str, DirectiveLog] = field(default_factory=dict)
    _heard: list[tuple[float, str, bytes]] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    @classmethod
    async def on(cls, server: NatsServer) -> Devices:
        """Connect; what was missed while away is read again at each reconnection."""
        devices: list[Devices] = []

        async def reconnected() -> None:
            await devices[0].read_again()

        client = await server.connect(reconnected_cb=reconnected)
        devices.append(cls(client))
        await client.subscribe("device.*.*.down.directive", future=Sink(devices[0]._hear))
        await client.flush()
        return devices[0]

    async def read_again(self) -> None:
        """Read what is kept for devices, as the cloud does for one that asks."""
        self._digest()
        sequence = 1
        while sequence:
            inbox = await self.client.subscribe(self.client.new_inbox())
            request = {"seq": sequence, "next_by_subj": "device.*.*.down.directive", "batch": _PAGE}
            await self.client.publish(
                "$JS.API.DIRECT.GET.DIRECTIVES", json.dumps(request).encode(), reply=inbox.subject
            )
            last, sequence = 0, 0
            with contextlib.suppress(TimeoutError, Exception):
                while True:
                    message = await inbox.next_msg(timeout=1.0)
                    headers = message.headers or {}
                    if "Status" in headers:
                        if int(headers.get("Nats-Num-Pending", "0")) > 0:
                            sequence = last + 1
                        break
                    last = int(headers["Nats-Sequence"])
                    self._count(headers["Nats-Subject"], message.data, time.time())
            with contextlib.suppress(Exception):
                await inbox.unsubscribe()

    async def until(self, count: int, timeout_s: float) -> bool:
        """Wait until so many devices rang; tell whether they did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while len(self._told) < count:
                    self.more.clear()
                    await self.more.wait()
        self._digest()
        return len(self.rang) >= count

    def _hear(self, message: Msg) -> None:
        """Note what came and when; it is read when nobody has to hurry any more."""
        self.messages += 1
        self._heard.append((time.time(), message.subject, message.data))
        self._told.add(message.subject)
        self.more.set()

    def _digest(self) -> None:
        heard, self._heard = self._heard, []
        for at, subject, payload in heard:
            self._count(subject, payload, at)

    def _count(self, subject: str, payload: bytes, at: float) -> None:
        directive = directive_pb2.Directive.FromString(payload)
        log = self._logs.setdefault(subject, DirectiveLog())
        command = Ring(occurrence_id=directive.ring.occurrence_id, label=directive.ring.label)
        admitted = log.admit(Directive(directive_id=DirectiveId(directive.directive_id), command=command))
        if admitted and directive.HasField("ring"):
            self.rang[subject] += 1
            self.first.setdefault(subject, at)
            self.labels[subject] = directive.ring.label
            self._told.add(subject)
            self.more.set()


async def answers(jetstream: JetStreamContext, stream: str) -> bool:
    """Tell whether JetStream answers for a stream."""
    try:
        async with asyncio.timeout(0.5):
            await jetstream.stream_info(stream)
    except (NatsError, OSError, TimeoutError):
        return False
    return True


def subject_of(number: int) -> str:
    """Return the directive subject of a crowd's device."""
    return f"device.home{number:05}.speaker.down.directive"


async def set_alarms(schedulers: list[SchedulerProcess], count: int, due: datetime) -> None:
    """Set one alarm for each of so many devices, each in a household of its own, all for one instant."""
    numbers = iter(range(count))
    async with contextlib.AsyncExitStack() as stack:
        stubs = [
            schedule_pb2_grpc.SchedulerStub(
                await stack.enter_async_context(connect(f"127.0.0.1:{scheduler.grpc_port}"))
            )
            for scheduler in schedulers
        ]

        async def work(stub: schedule_pb2_grpc.SchedulerStub) -> None:
            for number in numbers:
                schedule = schedule_pb2.Schedule(
                    household_id=f"home{number:05}",
                    device_id="speaker",
                    kind=schedule_pb2.SCHEDULE_KIND_ALARM,
                    label=f"alarm {number}",
                    locale="en-US",
                    time_zone="Europe/Berlin",
                )
                schedule.due_time.FromDatetime(due)
                request = schedule_pb2.CreateScheduleRequest(schedule=schedule, request_id=f"alarm-{number}")
                await stub.CreateSchedule(request, timeout=_CREATE_TIMEOUT_S)

        await asyncio.gather(*(work(stubs[index % len(stubs)]) for index in range(_CALLS_AT_ONCE)))


async def until_instant(moment: float) -> None:
    """Wait until a moment of the wall clock."""
    await asyncio.sleep(max(0.0, moment - time.time()))


def instant_in(seconds: float) -> datetime:
    """Return a whole second that is at least so far ahead."""
    return datetime.fromtimestamp(int(time.time() + seconds) + 1, UTC)
