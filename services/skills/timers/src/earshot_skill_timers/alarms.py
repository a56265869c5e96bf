"""Alarms: set, which there are, cancel, move."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from earshot_skill_timers.alarm_times import alarm_time, is_time_of_day
from earshot_skill_timers.asking import Asking, ids_of, refused, words_for
from earshot_skill_timers.choosing import Choice, Verdict, Wanted, choose, moved_to, ringing
from earshot_skill_timers.wording import alarm_name
from earshot_skillkit import (
    Dismiss,
    Move,
    Reply,
    Request,
    Schedule,
    ScheduleInPastError,
    ScheduleKind,
    ScheduleState,
    TooManySchedulesError,
    intent,
)


class AlarmIntents(Asking):
    """Answers set_alarm, get_alarms, cancel_alarm and move_alarm."""

    @intent("set_alarm")
    async def set_alarm(self, request: Request) -> Reply:
        """Set an alarm."""
        words = words_for(request)
        said, clock = request.slots.get("time"), request.slots.get("clock")
        when = alarm_time(said, clock, request.text("repeat") or "", words)
        if when is None:
            return request.ask("clock")
        try:
            alarm = await self.host.schedules.set_alarm(request, when.at, repeat=when.rule)
        except ScheduleInPastError:
            past = words.moment(when.at, request.now) if isinstance(when.at, datetime) else words.clock(when.at)
            return refused(request, "alarm_past", alarm=past)
        except TooManySchedulesError:
            return refused(request, "too_many")
        return request.respond("alarm_set", alarm=_named(alarm, request))

    @intent("get_alarms")
    async def get_alarms(self, request: Request) -> Reply:
        """Say which alarms are set."""
        alarms = await self.listed(request, ScheduleKind.ALARM)
        if not alarms:
            return request.respond("no_alarms")
        coming = next((alarm for alarm in alarms if alarm.due is not None), None)
        if request.text("next") is not None and coming is not None and coming.due is not None:
            moment = words_for(request).moment(coming.due.astimezone(request.zone), request.now)
            return request.respond("next_alarm", alarm=moment)
        names = [_named(alarm, request) for alarm in alarms]
        return request.respond(
            "one_alarm" if len(names) == 1 else "alarms", count=len(names), alarms=words_for(request).all_of(names)
        )

    @intent("cancel_alarm")
    async def cancel_alarm(self, request: Request) -> Reply:
        """Cancel alarms; what rings is only stopped."""
        there, wanted = await self.listed(request, ScheduleKind.ALARM), _wanted(request)
        rings = ringing(there, device_id=request.device_id) if wanted.nothing else ()
        choice = Choice(verdict=Verdict.CHOSEN, schedules=rings) if rings else _choice(request, there, wanted)

        def decide() -> Any:
            return {"ids": ids_of(choice.schedules) if choice.verdict is Verdict.CHOSEN else [], "stops": bool(rings)}

        decision = await self.decided(request, decide)
        if not decision["ids"]:
            return _unclear(request, choice)
        if decision["stops"]:
            await self.changed(request, decision["ids"], Dismiss())
            return request.respond("stopped")
        gone = await self.cancelled(request, decision["ids"])
        if not gone:
            return refused(request, "gone")
        if len(gone) > 1:
            return request.respond("alarms_cancelled", count=len(gone))
        return request.respond("alarm_cancelled", alarm=_named(gone[0], request))

    @intent("move_alarm")
    async def move_alarm(self, request: Request) -> Reply:
        """Move an alarm, one that repeats this once."""
        there, words = await self.listed(request, ScheduleKind.ALARM), words_for(request)
        choice = _choice(request, there, _wanted(request))
        to = request.slots.get("to")
        span = request.span("to")

        def decide() -> Any:
            if choice.verdict is not Verdict.CHOSEN or to is None or span is None or not is_time_of_day(span):
                return None
            (alarm, *_) = choice.schedules
            moment = moved_to(
                alarm,
                span.start,
                day_said=words.says_day(to.text),
                half_said=words.says_half(to.text),
                now=request.now,
            )
            return {"id": alarm.schedule_id, "to": moment.isoformat()}

        decision = await self.decided(request, decide)
        if decision is None:
            return request.ask("to") if choice.verdict is Verdict.CHOSEN else _unclear(request, choice)
        moment = datetime.fromisoformat(decision["to"]).astimezone(request.zone)
        spoken = words.moment(moment, request.now)
        try:
            changed = await self.changed(request, [decision["id"]], Move(to=moment))
        except ScheduleInPastError:
            return refused(request, "alarm_past", alarm=spoken)
        if not changed:
            return refused(request, "gone")
        return request.respond("alarm_moved_once" if changed[0].recurrence else "alarm_moved", alarm=spoken)


def _wanted(request: Request) -> Wanted:
    clock = request.span("clock")
    said = request.slots["clock"].text if clock is not None else ""
    return Wanted(
        at=clock.start.time() if clock is not None else None,
        either_half=clock is not None and not words_for(request).says_half(said),
        repeat=(request.text("repeat") or "").partition(" ")[0],
        position=request.text("position") or "",
        every=request.text("all") is not None,
    )


def _choice(request: Request, there: tuple[Schedule, ...], wanted: Wanted) -> Choice:
    return choose(there, wanted, words_for(request), device_id=request.device_id, zone=request.zone)


def _named(alarm: Schedule, request: Request) -> str:
    words = words_for(request)
    if alarm.state is ScheduleState.RINGING and not alarm.recurrence and alarm.local_time is not None:
        return words.clock(alarm.local_time)
    return alarm_name(alarm, words, request.now, request.zone)


def _unclear(request: Request, choice: Choice) -> Reply:
    words = words_for(request)
    if choice.verdict is Verdict.NONE:
        return refused(request, "no_alarms")
    names = [_named(alarm, request) for alarm in choice.schedules]
    if choice.verdict is Verdict.SEVERAL:
        return request.ask("clock", alarms=words.one_of(names))
    return refused(request, "no_such_alarm", alarms=words.all_of(names), count=len(names))
