"""The scheduler in memory and the service agree: the same things are asked of both, through the skillkit's client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from earshot_skillkit import (
    Dismiss,
    Extend,
    InvalidScheduleError,
    MemoryScheduler,
    Move,
    NewSchedule,
    Rename,
    Schedule,
    ScheduleInPastError,
    ScheduleKind,
    ScheduleNotFoundError,
    ScheduleState,
    SetPaused,
    TooManySchedulesError,
)
from earshot_skillkit.scheduler_client import GrpcScheduler
from earshot_skillkit.schedules import Scheduler
from support.nats import nats_server
from support.schedulers import fresh, scheduler_on

pytestmark = pytest.mark.asyncio(loop_scope="module")

_CLOSE = timedelta(milliseconds=5)
_MOST = 4


@dataclass(kw_only=True)
class Household:
    """A household that nobody else has, at one of the schedulers."""

    scheduler: Scheduler
    name: str = field(default_factory=lambda: fresh("house"))
    device: str = "kitchen"

    @property
    def deadline(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=20)

    async def timer(self, length: timedelta, *, label: str = "", request_id: str = "") -> Schedule:
        return await self.set(kind=ScheduleKind.TIMER, length=length, label=label, request_id=request_id)

    async def set(self, *, request_id: str = "", **how: object) -> Schedule:
        new = NewSchedule(
            household_id=self.name, device_id=self.device, time_zone="Europe/Berlin", locale="en-US", **how
        )
        return await self.scheduler.create(new, request_id=request_id or fresh("request"), deadline=self.deadline)

    async def change(self, schedule: Schedule, change: object, *, request_id: str = "") -> Schedule:
        return await self.scheduler.update(
            self.name,
            schedule.schedule_id,
            change,
            request_id=request_id or fresh("request"),
            deadline=self.deadline,
        )

    async def cancel(self, schedule: Schedule, *, request_id: str = "") -> Schedule:
        return await self.scheduler.delete(
            self.name, schedule.schedule_id, request_id=request_id or fresh("request"), deadline=self.deadline
        )

    async def list(self, *kinds: ScheduleKind, device_id: str = "") -> tuple[Schedule, ...]:
        return await self.scheduler.listed(self.name, device_id=device_id, kinds=kinds, deadline=self.deadline)

    async def until_it_rings(self) -> Schedule:
        """Wait for something to ring; return it."""
        async with asyncio.timeout(30):
            while True:
                for schedule in await self.list():
                    if schedule.state is ScheduleState.RINGING:
                        return schedule
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["memory", "service"])
async def household(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[], Household]]:
    """Return how to make a household at one of the two."""
    if request.param == "memory":
        memory = MemoryScheduler(lambda: datetime.now(UTC), most=_MOST)
        yield lambda: Household(scheduler=memory)
        return
    async with (
        nats_server(tmp_path_factory.mktemp("nats")) as server,
        scheduler_on(server, household_limit=_MOST) as replica,
    ):
        client = GrpcScheduler(replica.target)
        yield lambda: Household(scheduler=client)
        await client.close()


async def test_timer_is_set_listed_and_cancelled(household: Callable[[], Household]) -> None:
    """A timer is due after its length, is listed, and is gone when it is cancelled."""
    home = household()
    began = datetime.now(UTC)
    set_ = await home.timer(timedelta(minutes=5), label="pasta")
    assert (set_.kind, set_.state, set_.label) == (ScheduleKind.TIMER, ScheduleState.ARMED, "pasta")
    assert (set_.length, set_.remaining, set_.recurrence, set_.device_id) == (timedelta(minutes=5), None, "", "kitchen")
    assert set_.due is not None
    assert timedelta(0) <= set_.due - began - timedelta(minutes=5) + _CLOSE < timedelta(seconds=20)
    assert await home.list() == (set_,)
    assert await home.list(ScheduleKind.ALARM) == ()
    assert await home.list(device_id="bedroom") == ()
    assert await home.cancel(set_) == set_
    assert await home.list() == ()


async def test_repeated_request_changes_nothing_and_says_the_same(household: Callable[[], Household]) -> None:
    """Set, changed, cancelled: under one id it happens once, and every repetition gets the first answer."""
    home = household()
    first = await home.timer(timedelta(minutes=5), request_id="set")
    assert await home.timer(timedelta(minutes=5), request_id="set") == first
    longer = await home.change(first, Extend(by=timedelta(minutes=1)), request_id="more")
    assert await home.change(first, Extend(by=timedelta(minutes=1)), request_id="more") == longer
    assert await home.list() == (longer,)
    gone = await home.cancel(first, request_id="cancel")
    assert await home.cancel(first, request_id="cancel") == gone
    assert await home.list() == ()


async def test_pause_extend_resume(household: Callable[[], Household]) -> None:
    """A paused timer keeps what is left, can be given more, and goes on from there; its length grows by what it was given."""
    home = household()
    timer = await home.timer(timedelta(minutes=5))
    paused = await home.change(timer, SetPaused(paused=True))
    assert (paused.state, paused.due) == (ScheduleState.PAUSED, None)
    assert paused.remaining is not None
    assert timedelta(minutes=4) < paused.remaining <= timedelta(minutes=5)
    again = await home.change(timer, SetPaused(paused=True))
    assert again.remaining == paused.remaining
    longer = await home.change(timer, Extend(by=timedelta(minutes=2)))
    assert longer.remaining == paused.remaining + timedelta(minutes=2)
    assert longer.length == timedelta(minutes=7)
    resumed = await home.change(timer, SetPaused(paused=False))
    assert (resumed.state, resumed.remaining) == (ScheduleState.ARMED, None)
    assert resumed.due is not None
    assert abs(resumed.due - datetime.now(UTC) - longer.remaining) < timedelta(seconds=20)
    assert resumed.revision > paused.revision > timer.revision


async def test_order_of_a_list(household: Callable[[], Household]) -> None:
    """What is due soonest comes first, what is paused last."""
    home = household()
    late, soon, paused = [await home.timer(timedelta(minutes=minutes), label=str(minutes)) for minutes in (9, 5, 1)]
    await home.change(paused, SetPaused(paused=True))
    assert [each.label for each in await home.list()] == [soon.label, late.label, paused.label]


async def test_alarm_at_a_moment_and_at_a_time_of_day(household: Callable[[], Household]) -> None:
    """An alarm is set for a moment, or for the next time that the household's clocks show it; a repeat tells its rule."""
    home = household()
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    once = await home.set(kind=ScheduleKind.ALARM, due=moment)
    assert (once.due, once.length, once.recurrence) == (moment, None, "")
    rule = "FREQ=WEEKLY;BYDAY=SA,SU"
    weekly = await home.set(kind=ScheduleKind.ALARM, local_time=time(7, 30), recurrence=rule)
    assert (weekly.local_time, weekly.recurrence) == (time(7, 30), rule)
    assert weekly.due is not None

    there = weekly.due.astimezone(ZoneInfo("Europe/Berlin"))
    assert (there.time(), there.weekday() in {5, 6}) == (time(7, 30), True)
    moved = await home.change(weekly, Move(to=moment))
    assert (moved.due, moved.recurrence) == (moment, rule)
    renamed = await home.change(weekly, Rename(label="gym"))
    assert renamed.label == "gym"


async def test_what_rings_is_snoozed_and_dismissed(household: Callable[[], Household]) -> None:
    """A timer that is over rings, can be put off, rings again, and is over when it is dismissed."""
    home = household()
    timer = await home.timer(timedelta(seconds=0.3))
    rings = await home.until_it_rings()
    assert (rings.schedule_id, rings.due) == (timer.schedule_id, None)
    assert rings.occurrence_id
    assert rings.left(datetime.now(UTC)) == timedelta(0)
    with pytest.raises(InvalidScheduleError):
        await home.change(timer, SetPaused(paused=True))
    snoozed = await home.change(timer, Extend(by=timedelta(seconds=0.5)))
    assert (snoozed.state, snoozed.due is not None) == (ScheduleState.ARMED, True)
    again = await home.until_it_rings()
    assert again.occurrence_id != rings.occurrence_id
    over = await home.change(timer, Dismiss())
    assert over.state is ScheduleState.OVER
    assert await home.list() == ()
    with pytest.raises(ScheduleNotFoundError):
        await home.change(timer, Dismiss())


async def test_repeat_goes_on_when_it_is_dismissed(household: Callable[[], Household]) -> None:
    """A repeating alarm that was moved to now rings, and after that waits for its next time."""
    home = household()
    daily = await home.set(kind=ScheduleKind.ALARM, local_time=time(3, 0), recurrence="FREQ=DAILY")
    await home.change(daily, Move(to=datetime.now(UTC) + timedelta(seconds=0.3)))
    rings = await home.until_it_rings()
    assert rings.due is not None
    waits = await home.change(daily, Dismiss())
    assert (waits.state, waits.due) == (ScheduleState.ARMED, rings.due)
    assert waits.due is not None
    assert waits.due > datetime.now(UTC)
    assert await home.list() == (waits,)


async def test_refusals(household: Callable[[], Household]) -> None:
    """What can't be done has an error of its own, and nothing is changed."""
    home = household()
    with pytest.raises(ScheduleInPastError):
        await home.set(kind=ScheduleKind.ALARM, due=datetime.now(UTC) - timedelta(minutes=1))
    with pytest.raises(InvalidScheduleError):
        await home.set(kind=ScheduleKind.ALARM, local_time=time(7), recurrence="FREQ=SOMETIMES")
    with pytest.raises(InvalidScheduleError):
        await home.timer(timedelta(minutes=1), label="x" * 101)
    timer = await home.timer(timedelta(minutes=5))
    with pytest.raises(ScheduleInPastError):
        await home.change(timer, Extend(by=timedelta(minutes=-6)))
    alarm = await home.set(kind=ScheduleKind.ALARM, local_time=time(7))
    with pytest.raises(InvalidScheduleError):
        await home.change(alarm, SetPaused(paused=True))
    assert set(await home.list()) == {timer, alarm}
    await home.cancel(timer)
    with pytest.raises(ScheduleNotFoundError):
        await home.cancel(timer)
    with pytest.raises(ScheduleNotFoundError):
        await home.change(timer, Rename(label="late"))


async def test_household_has_a_limit(household: Callable[[], Household]) -> None:
    """One more than a household may have is refused; another household does not notice."""
    home, other = household(), household()
    for _ in range(_MOST):
        await home.timer(timedelta(minutes=5))
    with pytest.raises(TooManySchedulesError):
        await home.timer(timedelta(minutes=5))
    await other.timer(timedelta(minutes=5))
    assert len(await home.list()) == _MOST
    assert len(await other.list()) == 1
