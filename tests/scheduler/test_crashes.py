"""Schedulers that die between any two of their writes: nothing is lost, nothing happens twice.

A replica dies at its nth write: the write is not sent and its connection is cut, so that nothing else of it is either.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from nats.errors import ConnectionClosedError

from earshot.device.v1 import directive_pb2
from earshot.schedule.v1 import schedule_pb2
from earshot_chassis.batching import Received
from earshot_chassis.consuming import Delivery, Lease
from earshot_chassis.scheduling import publish_at
from earshot_scheduler import due as due_module
from earshot_scheduler.store import ScheduleStore
from earshot_topology import attributes
from earshot_topology.subjects import SCHEDULE_DUE, schedule_arm
from support.nats import NatsServer, nats_server
from support.schedulers import Directives, Home, Replica, fresh, now, scheduler_on
from support.spans import recorded_spans

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITES = ("schedule.arm.", "$KV.SCHEDULES.", "device.", "$JS.API.STREAM.PURGE.", "$JS.ACK.")
RINGING = schedule_pb2.SCHEDULE_STATE_RINGING
Call = Callable[[Home], Awaitable[object]]


class Fate:
    """Cuts a replica's connection at its nth write from now on."""

    def __init__(self, replica: Replica, dies_at: int) -> None:
        self.died = asyncio.Event()
        self._left = dies_at
        self._client = replica.bus.client
        self._publish = self._client.publish
        self._client.publish = self._count  # type: ignore[method-assign]

    async def _count(self, subject: str, payload: bytes = b"", *args: Any, **options: Any) -> None:
        # Progress and naks are no writes of ours; an acknowledgement has no payload.
        if subject.startswith(WRITES) and payload != b"+WPI":
            self._left -= 1
            if self._left == 0:
                self.died.set()
                self._client._transport.close()
                await self._client.close()
        if self.died.is_set():
            raise ConnectionClosedError
        await self._publish(subject, payload, *args, **options)


@contextlib.asynccontextmanager
async def mortal(server: NatsServer, dies_at: int, *, consume: bool = False) -> AsyncIterator[tuple[Replica, Fate]]:
    """Run a replica that dies."""
    async with scheduler_on(server, consume=consume) as replica:
        yield replica, Fate(replica, dies_at)


async def armed_subjects(replica: Replica) -> set[str]:
    """Return where something is armed."""
    info = await replica.bus.jetstream.stream_info("OCCURRENCES", subjects_filter="schedule.arm.>")
    return set(info.state.subjects or {})


async def is_armed(replica: Replica, schedule: schedule_pb2.Schedule) -> bool:
    """Tell whether the moment at which a schedule says that it is due is armed."""
    due = schedule.due_time.ToMilliseconds()
    prefix = f"schedule.arm.{schedule.household_id}.{schedule.schedule_id}."
    return any(subject.startswith(prefix) and subject.endswith(f"-{due}") for subject in await armed_subjects(replica))


CHANGES: dict[str, tuple[int, Callable[[schedule_pb2.Schedule, str], Call]]] = {
    "extend": (3, lambda each, request: lambda home: home.update(each, request, extend_by=Duration(seconds=600))),
    "pause": (2, lambda each, request: lambda home: home.update(each, request, paused=True)),
    "delete": (2, lambda each, request: lambda home: home.delete(each, request)),
}


@pytest.mark.parametrize("dies_at", [1, 2])
async def test_a_schedule_that_was_being_set_is_set_by_a_repetition(
    server: NatsServer, replica: Replica, directives: Directives, dies_at: int
) -> None:
    """Whether its creator died before arming or before writing: it rings once, at the moment that was answered."""
    home = Home(replica.stub)
    async with mortal(server, dies_at) as (victim, _), asyncio.timeout(10):
        with pytest.raises((grpc.aio.AioRpcError, TimeoutError)):
            await asyncio.wait_for(Home(victim.stub, home.household).timer(0.6, "create"), 1.0)
    assert await home.list() == []
    timer = await home.timer(0.6, "create")
    told = await directives.wait(home, "ring")
    assert told.ring.due_time == timer.due_time
    assert (told.ring.kind, told.ring.length) == (directive_pb2.RING_KIND_TIMER, timer.length)
    await asyncio.sleep(0.3)
    assert len(directives.of_home(home)) == 1


@pytest.mark.parametrize(
    ("name", "dies_at"), [(name, at + 1) for name, (most, _) in CHANGES.items() for at in range(most)]
)
async def test_a_change_that_was_being_made_is_made_or_not_and_completed_by_a_repetition(
    server: NatsServer, replica: Replica, name: str, dies_at: int
) -> None:
    """The old schedule or the new one is in force, and armed; the repetition makes it the new one, once."""
    home = Home(replica.stub)
    before = await home.timer(600)
    change = CHANGES[name][1](before, "change")
    async with mortal(server, dies_at) as (victim, fate):
        call = asyncio.ensure_future(change(Home(victim.stub, home.household)))
        await asyncio.wait({call, asyncio.ensure_future(fate.died.wait())}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({call}, timeout=0.3)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    assert fate.died.is_set()
    for each in await home.list():
        assert each.timer_revision in {1, 2}
        assert each.HasField("remaining") or await is_armed(replica, each)
    await change(home)
    after = await home.list()
    assert [each.timer_revision for each in after] == ([] if name == "delete" else [2])
    assert [each.length.seconds for each in after] == {"extend": [1200], "pause": [600], "delete": []}[name]
    assert not after or after[0].HasField("remaining") or await is_armed(replica, after[0])


@pytest.mark.parametrize("dies_at", [3, 4])
async def test_ringing_that_was_being_stopped_is_stopped_without_a_repetition(
    server: NatsServer, replica: Replica, directives: Directives, dies_at: int
) -> None:
    """The schedule's deleter died before or after it told the device; nobody asks again, and the device is told."""
    home = Home(replica.stub)
    timer = await home.timer(0.2)
    told = await directives.wait(home, "ring")
    async with mortal(server, dies_at) as (victim, fate):
        call = asyncio.ensure_future(Home(victim.stub, home.household).delete(timer, "delete"))
        await asyncio.wait_for(fate.died.wait(), 5)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    assert await home.list() == []
    stop = await directives.wait(home, "stop_ring")
    assert stop.stop_ring.occurrence_id == told.ring.occurrence_id
    await home.delete(timer, "delete")


async def test_ringing_that_makes_room_is_stopped_whoever_dies(tmp_path: Path) -> None:
    """A put-off ringing comes while the one before still rings; its replica died between the record and the two writes."""
    async with nats_server(tmp_path) as server, scheduler_on(server, consume=False) as quiet:
        client = await server.connect()
        directives = await Directives.of(client)
        home = Home(quiet.stub)
        first = now() + timedelta(seconds=1.5)
        alarm = await home.alarm(due=first, recurrence_rule="FREQ=MINUTELY", time_zone="Europe/Berlin")
        async with scheduler_on(server):
            rings = await directives.wait(home, "ring")
        following = (await home.list())[0]
        due = schedule_pb2.OccurrenceDue(
            schedule_id=alarm.schedule_id,
            household_id=home.household,
            timer_revision=following.timer_revision,
            due_time=following.due_time,
        )
        reader = quiet.scheduler._due
        delivery = Delivery(subject=SCHEDULE_DUE, headers={}, num_delivered=1, stream_sequence=1, timestamp=now())
        # It arms the one after it, writes the record, and would then stop and ring.
        async with mortal(server, 3) as (victim, _):
            with contextlib.suppress(Exception):
                await victim.scheduler._due.due([Received(due, {}, Lease(), lambda: delivery)])
        assert [each.WhichOneof("command") for each in directives.of_home(home)] == ["ring"]
        await reader.due([Received(due, {}, Lease(), lambda: delivery)])
        await directives.wait(home, "stop_ring")
        await directives.wait(home, "ring", 2)
        told = directives.of_home(home)
        assert [each.WhichOneof("command") for each in told] == ["ring", "stop_ring", "ring"]
        assert told[1].stop_ring.occurrence_id == rings.ring.occurrence_id
        assert told[2].ring.occurrence_id != rings.ring.occurrence_id
        await client.close()


async def test_what_is_due_survives_whoever_dies_in_it(tmp_path: Path) -> None:
    """Four replicas die one after another: while arming, deciding, ringing and acknowledging. Each device rings once."""
    async with nats_server(tmp_path) as server, scheduler_on(server, consume=False) as quiet:
        client = await server.connect()
        directives = await Directives.of(client)
        homes = [Home(quiet.stub) for _ in range(10)]
        due = now() + timedelta(seconds=1)
        for index, home in enumerate(homes):
            repeat = {"recurrence_rule": "FREQ=DAILY", "time_zone": "Europe/Berlin"} if index % 2 else {}
            await home.alarm(due=due, **repeat)
        # In one batch: 5 are armed anew, 10 records written, 10 rung, 10 acknowledged.
        for dies_at in (3, 9, 12, 14):
            async with mortal(server, dies_at, consume=True) as (_, fate):
                await asyncio.wait_for(fate.died.wait(), 15)
        async with scheduler_on(server):
            for home in homes:
                await directives.wait(home, "ring", timeout_s=20)
            async with asyncio.timeout(10):
                while (await client.jetstream().consumer_info("OCCURRENCES", "scheduler_due")).num_ack_pending:
                    await asyncio.sleep(0.05)
        for index, home in enumerate(homes):
            assert len({each.directive_id for each in directives.of_home(home)}) == 1
            (rings,) = await home.list()
            assert rings.state == RINGING
            assert rings.HasField("due_time") == bool(index % 2)
            assert not rings.HasField("due_time") or await is_armed(quiet, rings)
        await client.close()


@pytest.mark.parametrize("dies_at", [1, 2])
async def test_a_ringing_that_was_taken_over_says_so(tmp_path: Path, dies_at: int) -> None:
    """Whoever rings after another one died on the message names its delivery and the takeover in the span."""
    recording = recorded_spans()
    exporter = next(recording)
    async with nats_server(tmp_path) as server, mortal(server, dies_at, consume=True) as (victim, fate):
        client = await server.connect()
        directives = await Directives.of(client)
        home = Home(victim.stub)
        async with scheduler_on(server, consume=False) as other:
            await Home(other.stub, home.household).timer(0.5)
            # Only listens, until the other one is dead: whoever takes over has heard that nothing was handed back.
            for consumer in other.bus._consumers:
                await other.bus.handed_back.follow(other.bus.client, consumer)
            other.bus.handed_back.listening()
            await asyncio.wait_for(fate.died.wait(), 15)
            for worker in other.bus._workers:
                await worker.start()
            await directives.wait(home, "ring")
            async with asyncio.timeout(5):
                # The first one's span is there, too, where it died after it had begun to ring.
                while not (
                    rang := [
                        each.attributes
                        for each in exporter.get_finished_spans()
                        if each.name == "schedule.ring"
                        and attributes.MESSAGING_DELIVERY_COUNT in (each.attributes or {})
                    ]
                ):
                    await asyncio.sleep(0.01)
        await client.close()
    recording.close()
    (told,) = rang
    assert told is not None
    assert (told[attributes.MESSAGING_DELIVERY_COUNT], told[attributes.TAKEOVER]) == ("2", True)


async def test_a_moment_that_comes_before_its_record_waits_for_it(
    replica: Replica, directives: Directives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bus may be slower than the timer is long."""
    home = Home(replica.stub)
    write = ScheduleStore.write

    async def slow(*arguments: Any, **options: Any) -> None:
        await asyncio.sleep(1.0)
        await write(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(ScheduleStore, "write", slow)
        timer = await home.timer(0.1)
    told = await directives.wait(home, "ring")
    assert told.ring.due_time == timer.due_time
    assert (told.ring.kind, told.ring.length) == (directive_pb2.RING_KIND_TIMER, timer.length)
    assert len(directives.of_home(home)) == 1


async def test_a_writer_that_comes_after_its_moment_was_given_up_arms_anew(
    replica: Replica, directives: Directives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow it was: its first write finds the place taken, its second is armed."""
    monkeypatch.setattr(due_module, "_UNDECIDED", timedelta(seconds=0.5))
    home = Home(replica.stub)
    write = ScheduleStore.write
    gates: list[asyncio.Event] = [asyncio.Event()]

    async def gated(*arguments: Any, **options: Any) -> None:
        await gates[0].wait()
        await write(*arguments, **options)

    async def given_up() -> bool:
        info = await replica.bus.jetstream.stream_info(
            "KV_SCHEDULES", subjects_filter=f"$KV.SCHEDULES.{home.household}.*"
        )
        return bool(info.state.subjects)

    with monkeypatch.context() as patched:
        patched.setattr(ScheduleStore, "write", gated)
        setting = asyncio.ensure_future(home.timer(0.1))
        async with asyncio.timeout(15):
            while not await given_up():
                await asyncio.sleep(0.05)
        assert directives.of_home(home) == []
        gates[0].set()
        timer = await setting
    told = await directives.wait(home, "ring")
    assert told.ring.due_time == timer.due_time
    assert (told.ring.kind, told.ring.length) == (directive_pb2.RING_KIND_TIMER, timer.length)
    assert len(directives.of_home(home)) == 1


async def test_a_zombie_rings_nothing(server: NatsServer, directives: Directives) -> None:
    """A process that lost its lease leaves the ringing to whoever has the message by now."""
    async with scheduler_on(server, consume=False) as quiet:
        home = Home(quiet.stub)
        timer = await home.alarm(due=now() + timedelta(seconds=30))
        due = schedule_pb2.OccurrenceDue(
            schedule_id=timer.schedule_id, household_id=home.household, timer_revision=1, due_time=timer.due_time
        )
        lost, held = Lease(-1.0), Lease()
        reader = quiet.scheduler._due
        delivery = Delivery(subject=SCHEDULE_DUE, headers={}, num_delivered=1, stream_sequence=1, timestamp=now())
        await reader.due([Received(due, {}, lost, lambda: delivery)])
        assert directives.of_home(home) == []
        await reader.due([Received(due, {}, held, lambda: delivery)])
        await directives.wait(home, "ring")


async def test_what_is_due_of_nothing_or_malformed_harms_nobody(
    replica: Replica, directives: Directives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is parked, given up or acknowledged, while what is valid beside it rings."""
    monkeypatch.setattr(due_module, "_UNDECIDED", timedelta(seconds=0.5))
    home = Home(replica.stub)
    bad = [
        schedule_pb2.OccurrenceDue(schedule_id="a.b", household_id="h", timer_revision=1),
        schedule_pb2.OccurrenceDue(schedule_id="s", household_id=">", timer_revision=1),
        schedule_pb2.OccurrenceDue(schedule_id="nothing", household_id=home.household, timer_revision=1),
    ]
    for due in bad:
        due.due_time.GetCurrentTime()
        await publish_at(
            replica.bus, schedule_arm("h", fresh("x"), 1, 0), due, now() + timedelta(seconds=0.3), target=SCHEDULE_DUE
        )
    await home.timer(0.3)
    await directives.wait(home, "ring")
    async with asyncio.timeout(15):
        while True:
            info = await replica.bus.jetstream.stream_info("PARKED", subjects_filter="parked.scheduler.>")
            consumer = await replica.bus.jetstream.consumer_info("OCCURRENCES", "scheduler_due")
            if sum((info.state.subjects or {}).values()) == 2 and not consumer.num_ack_pending:
                break
            await asyncio.sleep(0.05)
    assert len(directives.of_home(home)) == 1
