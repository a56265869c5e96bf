"""A user who sets timers and alarms, changes some, and silences what rings.

The device and the client are the real ones: the device rings by itself, and what the user wants is asked for as the timers
skill does it, round robin over the replicas, under one id until it is answered.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from chaos.phases import Board, Phase
from chaos.timer_checker import SILENT_WITHIN_S, Due, Rang, Step, Timer
from chaos.timer_hearing import RingEar
from earshot_device import Device, DeviceSettings
from earshot_scheduler.core.values import schedule_id_of
from earshot_skillkit import Dismiss, Extend, Move, NewSchedule, Schedule, ScheduleKind, SetPaused
from earshot_skillkit.errors import EffectUnknownError, InvalidScheduleError, SchedulesUnavailableError
from earshot_skillkit.scheduler_client import GrpcScheduler

# A skill has so long, too; the user asks again.
_CALL_S: Final = 5.0
_UNANSWERED_S: Final = 60.0
# Longer than anything is late: what has not rung by then is lost.
_NEVER_S: Final = 60.0
_PRESSED_AFTER_S: Final = 1.0
_RHYTHM_S: Final = (2.0, 4.0)
_AHEAD_S: Final = (3.0, 20.0)
# Long enough to be changed first.
_CHANGED_AHEAD_S: Final = (8.0, 20.0)
_SOON_S: Final = 0.3
_PLANS: Final = {"leave": 4, "move": 2, "extend": 1, "pause": 1, "cancel": 2}
_ENDS: Final = {"button": 3, "dismiss": 1, "snooze": 1}

Call = Callable[[str, datetime], Awaitable[Schedule]]


class TimerUser:
    """A user and a device that rings.

    Args:
        settings: The device's.
        scheduler: Who is asked.
        board: Told when something is asked for, and when something is due.
        seed: Decides what the user wants.
    """

    def __init__(self, settings: DeviceSettings, scheduler: GrpcScheduler, board: Board, seed: str) -> None:
        self.settings = settings
        self.timers: list[Timer] = []
        self._ear = RingEar(settings.device_id)
        self._scheduler = scheduler
        self._board = board
        self._chance = random.Random(seed)

    @property
    def name(self) -> str:
        """The device's id."""
        return self.settings.device_id

    @property
    def rings(self) -> list[Rang]:
        """What its loudspeaker rang."""
        return self._ear.rings

    async def live(self, stop: asyncio.Event, listen_on_s: float) -> None:
        """Set timers until it is time to stop, see all of them through, then listen for what comes late."""
        async with Device(self.settings, sink=self._ear, happened=self._ear.happened) as device:
            async with asyncio.TaskGroup() as group:
                while not stop.is_set():
                    group.create_task(self._timer(device, len(self.timers), random.Random(self._chance.random())))
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), self._chance.uniform(*_RHYTHM_S))
            await asyncio.sleep(listen_on_s)

    async def _timer(self, device: Device, number: int, chance: random.Random) -> None:
        request_id = f"{self.name}.{number}"
        timer = Timer(device=self.name, schedule_id=schedule_id_of(self.settings.household_id, request_id))
        self.timers.append(timer)
        plan = _one_of(chance, _PLANS)
        ahead = timedelta(seconds=chance.uniform(*(_AHEAD_S if plan == "leave" else _CHANGED_AHEAD_S)))
        new = self._new(plan, ahead, chance)
        due = await self._ask(
            timer,
            "set",
            lambda key, deadline: self._scheduler.create(new, request_id=key, deadline=deadline),
            request_id,
        )
        if due is not None and plan != "leave":
            due = await self._changed(timer, plan, due, chance)
        while due is not None:
            due = await self._rings(device, timer, due, chance)

    def _new(self, plan: str, ahead: timedelta, chance: random.Random) -> NewSchedule:
        alarm = plan in ("leave", "move", "cancel") and chance.random() < 0.4
        return NewSchedule(
            household_id=self.settings.household_id,
            device_id=self.name,
            kind=ScheduleKind.ALARM if alarm else ScheduleKind.TIMER,
            length=None if alarm else ahead,
            due=datetime.now(UTC) + ahead if alarm else None,
            time_zone="Europe/Berlin",
            locale=self.settings.locale,
        )

    async def _changed(self, timer: Timer, plan: str, due: Due, chance: random.Random) -> Due | None:
        """Change it before it is due; return when it is due then."""
        await asyncio.sleep(max(0.0, due.at - time.monotonic()) * chance.uniform(0.1, 0.6))
        match plan:
            case "move":
                by = chance.choice((-2.0, 3.0, 5.0))
                to = datetime.now(UTC) + timedelta(seconds=due.at + by - time.monotonic())
                return await self._update(timer, "move", Move(to=to), due)
            case "extend":
                return await self._update(timer, "extend", Extend(by=timedelta(seconds=3)), due)
            case "pause":
                left = await self._update(timer, "pause", SetPaused(paused=True), due)
                if timer.steps[-1].refused or timer.steps[-1].answered_at is None:
                    return left
                await asyncio.sleep(chance.uniform(2.0, 4.0))
                return await self._update(timer, "resume", SetPaused(paused=False), None)
            case _:
                left = await self._ask(
                    timer, "cancel", self._delete(timer), _key(timer, "cancel"), before=due, over=True
                )
                await asyncio.sleep(max(0.0, due.at - time.monotonic()))
                return left

    async def _rings(self, device: Device, timer: Timer, due: Due, chance: random.Random) -> Due | None:
        """See one ringing through; return when it is due again."""
        await asyncio.sleep(max(0.0, due.at - _SOON_S - time.monotonic()))
        self._board.enter(self.name, Phase.DUE)
        left_s = max(0.0, due.at - time.monotonic())
        if not await self._ear.until(lambda: self._ear.sounding(timer.schedule_id), left_s + _NEVER_S):
            return None
        rang = self._ear.sounding(timer.schedule_id)
        await asyncio.sleep(_PRESSED_AFTER_S)
        if rang is None or rang.ended_at is not None:
            return None
        snoozed = any(step.what == "snooze" for step in timer.steps)
        end, again = "button" if snoozed else _one_of(chance, _ENDS), None
        if end == "snooze":
            again = await self._update(timer, "snooze", Extend(by=timedelta(seconds=chance.uniform(4, 8))), None)
        elif end == "dismiss":
            await self._update(timer, "dismiss", Dismiss(), None)
        told = end != "button" and not timer.steps[-1].refused
        if not told or not await self._ear.until(lambda: rang.ended_at is not None, SILENT_WITHIN_S + 1.0):
            await device.dismiss(rang.occurrence_id)
        return again

    async def _update(
        self, timer: Timer, what: str, change: Move | Extend | SetPaused | Dismiss, before: Due | None
    ) -> Due | None:
        def call(key: str, deadline: datetime) -> Awaitable[Schedule]:
            household = self.settings.household_id
            return self._scheduler.update(household, timer.schedule_id, change, request_id=key, deadline=deadline)

        return await self._ask(timer, what, call, _key(timer, what), before=before)

    def _delete(self, timer: Timer) -> Call:
        return lambda key, deadline: self._scheduler.delete(
            self.settings.household_id, timer.schedule_id, request_id=key, deadline=deadline
        )

    async def _ask(
        self, timer: Timer, what: str, call: Call, request_id: str, *, before: Due | None = None, over: bool = False
    ) -> Due | None:
        """Ask until there is an answer; return when it is due then, as before if it was refused."""
        asked_at, due, refused = time.monotonic(), before, ""
        answered_at: float | None = None
        self._board.enter(self.name, Phase.SETTING)
        while answered_at is None and time.monotonic() < asked_at + _UNANSWERED_S:
            try:
                schedule = await call(request_id, datetime.now(UTC) + timedelta(seconds=_CALL_S))
            except (EffectUnknownError, SchedulesUnavailableError):
                continue
            except InvalidScheduleError as error:
                refused = type(error).__name__
            else:
                due = None if over else _due(schedule)
            answered_at = time.monotonic()
        due = due if answered_at is not None else None
        timer.steps.append(Step(what=what, asked_at=asked_at, answered_at=answered_at, due=due, refused=refused))
        return due


def _due(schedule: Schedule) -> Due | None:
    if schedule.due is None:
        return None
    moment = schedule.due.timestamp()
    return Due(at=moment - time.time() + time.monotonic(), second=int(moment))


def _key(timer: Timer, what: str) -> str:
    return f"{timer.schedule_id}.{what}"


def _one_of(chance: random.Random, weighted: dict[str, int]) -> str:
    return chance.choices(list(weighted), list(weighted.values()))[0]
