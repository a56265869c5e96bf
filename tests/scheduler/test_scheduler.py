"""Schedules through the scheduler's gRPC, on a real bus: they ring, are changed, repeated, refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from earshot.device.v1 import upstream_pb2
from earshot.schedule.v1 import schedule_pb2
from earshot_chassis.sampling import TokenBucket
from earshot_topology.subjects import DeviceAddress
from support.nats import NatsServer
from support.schedulers import Directives, Home, Replica, code_of, fresh, now, scheduler_on
from support.spans import recorded_spans

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALARM = schedule_pb2.SCHEDULE_KIND_ALARM
TIMER = schedule_pb2.SCHEDULE_KIND_TIMER
ARMED = schedule_pb2.SCHEDULE_STATE_ARMED
RINGING = schedule_pb2.SCHEDULE_STATE_RINGING
PAUSED = schedule_pb2.SCHEDULE_STATE_PAUSED


def stamp(moment: datetime) -> Timestamp:
    """Return a moment as the contract has it."""
    value = Timestamp()
    value.FromDatetime(moment)
    return value


async def dismissed_on(
    replica: Replica, home: Home, occurrence_id: str, *, device: str = "", household: str = ""
) -> None:
    """Stop ringing at a device."""
    event = upstream_pb2.DeviceEvent(event_id=fresh("e"))
    event.ring_dismissed.occurrence_id = occurrence_id
    address = DeviceAddress(household or home.household, device or home.device)
    await replica.bus.publish(address.ring(), event)


async def test_a_timer_rings_on_its_device_until_it_is_dismissed(home: Home, directives: Directives) -> None:
    """With its label and moment; then it is over and its device is told to stop."""
    set_at = now()
    timer = await home.timer(0.3, label="eggs")
    assert (timer.state, timer.timer_revision, timer.length.ToMilliseconds()) == (ARMED, 1, 300)
    told = await directives.wait(home, "ring")
    assert told.directive_id == f"ring.{told.ring.occurrence_id}"
    assert (told.revision, told.ring.label, told.ring.timer_revision) == (0, "eggs", 1)
    due = told.ring.due_time.ToDatetime(tzinfo=UTC)
    assert timedelta(seconds=0.3) <= due - set_at < timedelta(seconds=3)
    assert told.expire_time.ToDatetime(tzinfo=UTC) == due + timedelta(hours=1)
    assert not told.ring.HasField("announcement")
    (rings,) = await home.list()
    assert (rings.state, rings.occurrence_id, rings.HasField("due_time")) == (RINGING, told.ring.occurrence_id, False)
    over = await home.update(timer, dismissed=True)
    assert over.state == schedule_pb2.SCHEDULE_STATE_UNSPECIFIED
    stop = await directives.wait(home, "stop_ring")
    assert (stop.directive_id, stop.stop_ring.occurrence_id) == (
        f"stop_ring.{rings.occurrence_id}",
        rings.occurrence_id,
    )
    assert await home.list() == []


async def test_ringing_that_was_stopped_on_its_device_is_over(
    replica: Replica, home: Home, directives: Directives
) -> None:
    """Of a one-shot for good, of a repeat until its next occurrence; the device is not told what it knows."""
    await home.timer(0.2)
    told = await directives.wait(home, "ring")
    for _ in range(2):
        await dismissed_on(replica, home, told.ring.occurrence_id)
    await home.until(lambda found: not found)
    assert [each.WhichOneof("command") for each in directives.of_home(home)] == ["ring"]


async def test_a_device_dismisses_its_own_ringing_alone(replica: Replica, home: Home, directives: Directives) -> None:
    """Another device, another household, another occurrence: it rings on."""
    await home.timer(0.2)
    occurrence = (await directives.wait(home, "ring")).ring.occurrence_id
    await dismissed_on(replica, home, occurrence, device="bedroom")
    await dismissed_on(replica, home, occurrence, household=fresh())
    await dismissed_on(replica, home, occurrence[:-1] + "x")
    await dismissed_on(replica, home, occurrence.rsplit(".", 1)[0] + ".1")
    marker = Home(home.stub)
    await marker.timer(0.1)
    await dismissed_on(replica, marker, (await directives.wait(marker, "ring")).ring.occurrence_id)
    await marker.until(lambda found: not found)
    assert [each.state for each in await home.list()] == [RINGING]


async def test_a_snooze_stops_what_rings_and_rings_again(home: Home, directives: Directives) -> None:
    """Another occurrence; the first one's request is not carried out again."""
    timer = await home.timer(0.2)
    first = await directives.wait(home, "ring")
    snoozed = await home.update(timer, "snooze", move_to=stamp(now() + timedelta(seconds=1)))
    assert snoozed.state == ARMED
    stopped = await directives.wait(home, "stop_ring")
    assert stopped.stop_ring.occurrence_id == first.ring.occurrence_id
    assert await home.update(timer, "snooze", move_to=stamp(now() + timedelta(hours=1))) == snoozed
    second = await directives.wait(home, "ring", 2)
    assert second.ring.occurrence_id != first.ring.occurrence_id


async def test_a_repeat_rings_at_each_occurrence_and_is_armed_for_the_next(home: Home, directives: Directives) -> None:
    """The alarm that rings says when it is due next."""
    at = now() + timedelta(seconds=1)
    alarm = await home.alarm(due=at, time_zone="Asia/Shanghai", recurrence_rule="FREQ=DAILY", label="up")
    assert alarm.local_time == (at + timedelta(hours=8)).strftime("%H:%M:%S")
    await directives.wait(home, "ring")
    (rings,) = await home.until(home.ringing)
    ahead = rings.due_time.ToDatetime(tzinfo=UTC) - at
    assert timedelta(hours=23, minutes=59) < ahead <= timedelta(days=1)
    waits = await home.update(alarm, dismissed=True)
    assert (waits.state, waits.due_time) == (ARMED, rings.due_time)


async def test_a_paused_timer_does_not_ring_and_goes_on(home: Home, directives: Directives) -> None:
    """What remains is kept."""
    timer = await home.timer(1.0)
    paused = await home.update(timer, paused=True)
    assert (paused.state, paused.HasField("due_time")) == (PAUSED, False)
    marker = Home(home.stub)
    await marker.timer(1.2)
    await directives.wait(marker, "ring")
    assert directives.of_home(home) == []
    assert paused.remaining.ToTimedelta() <= timedelta(seconds=1)
    await home.update(timer, paused=False)
    await directives.wait(home, "ring")


async def test_a_moved_or_cancelled_timer_does_not_ring_at_its_old_moment(home: Home, directives: Directives) -> None:
    """What was armed before is cancelled, and obsolete if it becomes due all the same."""
    moved, cancelled = await home.timer(0.8), await home.timer(0.8, label="cancelled")
    await home.update(moved, extend_by=Duration(seconds=1))
    was = await home.delete(cancelled)
    assert (was.state, was.label) == (ARMED, "cancelled")
    told = await directives.wait(home, "ring")
    assert told.ring.timer_revision == 2
    assert len(directives.of_home(home)) == 1


async def test_schedules_are_listed_soonest_first_and_paused_last(home: Home) -> None:
    """Of a device, of a kind, of the household; not those of another one."""
    late, soon = await home.timer(600), await home.timer(60, device_id="bedroom")
    alarm = await home.alarm(local_time="07:30", time_zone="Europe/Berlin")
    paused = await home.timer(30)
    await home.update(paused, paused=True)
    ids = [each.schedule_id for each in await home.list()]
    in_order = sorted((late, soon, alarm), key=lambda each: each.due_time.ToNanoseconds())
    assert ids == [each.schedule_id for each in (*in_order, paused)]
    assert [each.schedule_id for each in await home.list(device_id="bedroom")] == [soon.schedule_id]
    assert [each.schedule_id for each in await home.list(kinds=[ALARM])] == [alarm.schedule_id]
    assert await Home(home.stub).list() == []


async def test_a_repeated_request_returns_what_the_first_one_returned(server: NatsServer, home: Home) -> None:
    """Also by another replica, after later changes, and after it is over; it changes nothing."""
    async with scheduler_on(server, consume=False) as other:
        elsewhere = Home(other.stub, home.household)
        timer = await home.timer(600, "create")
        label = await home.update(timer, "label", label="eggs")
        await home.update(timer, "extend", extend_by=Duration(seconds=60))
        assert await elsewhere.timer(1, "create") == timer
        assert await elsewhere.update(timer, "label", label="eggs") == label
        assert [each.label for each in await home.list()] == ["eggs"]
        deleted = await home.delete(timer, "delete")
        assert await elsewhere.delete(timer, "delete") == deleted
        assert await elsewhere.timer(1, "create") == timer
        assert await elsewhere.update(timer, "label", label="eggs") == label
        assert await home.list() == []


async def test_the_same_request_at_many_replicas_at_once_is_carried_out_once(
    server: NatsServer, home: Home, directives: Directives
) -> None:
    """All return the same schedule, and it rings once."""
    async with scheduler_on(server, consume=False) as other:
        homes = [home, Home(other.stub, home.household)] * 4
        timers = await asyncio.gather(*(each.timer(0.7, "create") for each in homes))
        assert all(timer == timers[0] for timer in timers)
        changed = await asyncio.gather(
            *(each.update(timers[0], "extend", extend_by=Duration(seconds=1)) for each in homes)
        )
        assert all(each == changed[0] for each in changed)
        assert changed[0].timer_revision == 2
        told = await directives.wait(home, "ring")
        assert told.ring.due_time == changed[0].due_time
        assert len(directives.of_home(home)) == 1


async def test_changes_at_once_all_happen_one_after_the_other(server: NatsServer, home: Home) -> None:
    """Each sees the one before: nothing is overwritten."""
    timer = await home.timer(600)
    async with scheduler_on(server, consume=False) as other:
        homes = [home, Home(other.stub, home.household)] * 2
        await asyncio.gather(*(each.update(timer, extend_by=Duration(seconds=60)) for each in homes))
    (changed,) = await home.list()
    assert (changed.timer_revision, changed.length.seconds) == (5, 840)


async def test_a_change_that_was_meant_for_an_older_revision_is_refused(home: Home) -> None:
    """ABORTED, with a code."""
    timer = await home.timer(600)
    await home.update(timer, label="x", expected_revision=1)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await home.update(timer, label="y", expected_revision=1)
    assert (refused.value.code(), code_of(refused.value)) == (grpc.StatusCode.ABORTED, "stale_revision")


async def test_what_is_over_or_another_households_is_not_found(home: Home) -> None:
    """NOT_FOUND, for every change."""
    timer = await home.timer(600)
    stranger = Home(home.stub)
    for change in (stranger.update(timer, label="x"), stranger.delete(timer), home.update(fresh("none"), label="x")):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await change
        assert (refused.value.code(), code_of(refused.value)) == (grpc.StatusCode.NOT_FOUND, "schedule_not_found")
    await home.delete(timer)
    with pytest.raises(grpc.aio.AioRpcError, match="no such schedule"):
        await home.update(timer, label="x")


@pytest.mark.parametrize(
    ("fields", "request_id", "code"),
    [
        ({"household_id": "a.b"}, "r", "invalid_id"),
        ({"household_id": "a>"}, "r", "invalid_id"),
        ({"device_id": ""}, "r", "invalid_id"),
        ({"device_id": "*"}, "r", "invalid_id"),
        ({"kind": 0}, "r", "unknown_kind"),
        ({"kind": 99}, "r", "unknown_kind"),
        ({}, "", "invalid_request_id"),
        ({}, "x" * 201, "invalid_request_id"),
        ({"remaining": Duration(seconds=1 << 62)}, "r", "invalid_duration"),
        ({"due_time": Timestamp(seconds=1 << 62)}, "r", "invalid_time"),
        ({"kind": ALARM, "local_time": "07:30", "time_zone": "Nowhere/Land"}, "r", "unknown_time_zone"),
        ({"kind": ALARM, "local_time": "half past", "time_zone": "UTC"}, "r", "invalid_local_time"),
        ({"kind": ALARM, "local_time": "07:30", "time_zone": "UTC", "recurrence_rule": "X"}, "r", "invalid_rule"),
    ],
)
async def test_a_request_that_can_not_be_used_is_refused_with_a_code(
    home: Home, fields: dict[str, object], request_id: str, code: str
) -> None:
    """INVALID_ARGUMENT, and nothing is kept."""
    wanted = {"kind": TIMER} | fields
    request = schedule_pb2.CreateScheduleRequest(schedule=home.schedule(**wanted), request_id=request_id)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await home.stub.CreateSchedule(request)
    assert (refused.value.code(), code_of(refused.value)) == (grpc.StatusCode.INVALID_ARGUMENT, code)
    assert await home.list() == []


async def test_a_moment_that_is_past_is_a_failed_precondition(home: Home) -> None:
    """For what is set and for what is changed."""
    timer = await home.timer(600)
    for change in (home.alarm(due=now() - timedelta(seconds=5)), home.update(timer, extend_by=Duration(seconds=-900))):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await change
        assert (refused.value.code(), code_of(refused.value)) == (grpc.StatusCode.FAILED_PRECONDITION, "due_in_past")
    for wrong in ({}, {"dismissed": False}):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await home.update(timer, **wrong)
        assert code_of(refused.value) == "change_missing"


async def test_a_household_can_not_set_schedules_without_end(home: Home) -> None:
    """Neither at once nor by cancelling and setting; others are not held up, and a repetition still has its answer."""
    timers = [await home.timer(600, f"r{index}") for index in range(5)]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await home.timer(600)
    assert (refused.value.code(), code_of(refused.value)) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "too_many_schedules",
    )
    assert await home.timer(600, "r0") == timers[0]
    await Home(home.stub).timer(600)
    await home.delete(timers.pop())
    with pytest.raises(grpc.aio.AioRpcError) as flooded:
        for _ in range(10):
            timers.append(await home.timer(600))
            await home.delete(timers.pop())
    assert code_of(flooded.value) == "too_many_schedules"
    assert len(await home.list()) == 4


@pytest.mark.parametrize(
    ("locale", "words"), [("en-US", "Reminder: water the plants."), ("zh-CN", "提醒您：water the plants。")]
)
async def test_a_reminder_carries_its_words(home: Home, directives: Directives, locale: str, words: str) -> None:
    """In its locale, to be spoken before it rings."""
    schedule = home.schedule(schedule_pb2.SCHEDULE_KIND_REMINDER, label="water the plants", locale=locale)
    schedule.due_time.FromDatetime(now() + timedelta(seconds=0.5))
    await home.create(schedule)
    told = await directives.wait(home, "ring")
    assert (told.ring.announcement.text, told.ring.announcement.locale) == (words, locale)


async def test_ringing_is_a_trace_of_its_own_that_links_to_the_one_that_set_it(
    home: Home, directives: Directives
) -> None:
    """Its directive carries the new trace, and no span's name holds an id."""
    recording = recorded_spans()
    exporter = next(recording)
    await home.timer(0.2)
    await directives.wait(home, "ring")
    async with asyncio.timeout(5):
        while not any(span.name == "schedule.ring" for span in exporter.get_finished_spans()):
            await asyncio.sleep(0.01)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    recording.close()
    ring, create = spans["schedule.ring"], spans["earshot.schedule.v1.Scheduler/CreateSchedule"]
    assert ring.parent is None
    assert ring.context.trace_id != create.context.trace_id
    assert [link.context.trace_id for link in ring.links] == [create.context.trace_id]


async def test_in_a_crowd_ringing_belongs_to_the_trace_that_set_it(
    replica: Replica, home: Home, directives: Directives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What gets no trace of its own because thousands ring carries the context that its schedule was set in."""
    monkeypatch.setattr(replica.scheduler._due, "_traced", TokenBucket(0, 0))
    recording = recorded_spans()
    exporter = next(recording)
    await home.timer(0.2)
    await directives.wait(home, "ring")
    spans = {span.name: span for span in exporter.get_finished_spans()}
    recording.close()
    stored = await replica.bus.jetstream.get_last_msg(
        "DIRECTIVES", DeviceAddress(home.household, home.device).directive()
    )
    trace_id = spans["earshot.schedule.v1.Scheduler/CreateSchedule"].context.trace_id
    assert (stored.headers or {})["traceparent"].split("-")[1] == format(trace_id, "032x")
    assert "schedule.ring" not in spans


async def test_what_rang_for_too_long_is_over_without_being_dismissed(
    server: NatsServer, directives: Directives
) -> None:
    """On a device that is away: it is listed no more and can't be changed, while a repeat waits for its next occurrence."""
    async with scheduler_on(server, maximum_age_s=3) as replica:
        home = Home(replica.stub)
        timer = await home.timer(0.2)
        repeat = await home.alarm(
            due=now() + timedelta(seconds=1), recurrence_rule="FREQ=DAILY", time_zone="Europe/Berlin"
        )
        await home.until(lambda _found: len(directives.of_home(home)) == 2)
        (left,) = await home.until(lambda found: [each.state for each in found] == [ARMED])
        assert left.schedule_id == repeat.schedule_id
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await home.update(timer, extend_by=Duration(seconds=60))
        assert code_of(refused.value) == "schedule_not_found"
        await home.delete(repeat)
        assert await home.list() == []
        assert {each.WhichOneof("command") for each in directives.of_home(home)} == {"ring"}
