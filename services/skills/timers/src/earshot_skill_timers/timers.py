"""Timers: set, change, pause, how much is left, cancel."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from earshot_skill_timers.asking import Asking, ids_of, refused, wanted_of, words_for
from earshot_skill_timers.choosing import Choice, Verdict, Wanted, choose, ringing
from earshot_skill_timers.wording import rounded, timer_choices, timer_name, timer_standing
from earshot_skillkit import (
    Dismiss,
    Extend,
    InvalidScheduleError,
    InvalidWordError,
    Reply,
    Request,
    Schedule,
    ScheduleKind,
    ScheduleState,
    SetPaused,
    SourceUnavailableError,
    StateConflictError,
    StateUnavailableError,
    TooManySchedulesError,
    intent,
)

LONGEST = timedelta(hours=24)
SHORTEST = timedelta(seconds=1)
# The list of the sentences that a household's own names stand in.
NAMES = "name"


class TimerIntents(Asking):
    """Answers set_timer, change_timer, pause_timer, get_timers and cancel_timer."""

    @intent("set_timer")
    async def set_timer(self, request: Request) -> Reply:
        """Set a timer."""
        length, name = request.duration("duration"), request.text("name") or ""
        if length is None:
            return request.ask("duration")
        if length < SHORTEST:
            return refused(request, "too_short")
        if length > LONGEST:
            return refused(request, "too_long")
        try:
            timer = await self.host.schedules.set_timer(request, length, label=name)
        except TooManySchedulesError:
            return refused(request, "too_many")
        words = words_for(request)
        if name:
            await self._learn(request, name)
        count = await self._called(request, timer) if name else 1
        key = ("timer_set" if not name else "named_timer_set") if count == 1 else "another_timer_set"
        return request.respond(key, duration=words.duration(length), name=name, count=count)

    @intent("change_timer")
    async def change_timer(self, request: Request) -> Reply:
        """Give a timer more or less time."""
        by, less = request.duration("duration"), request.text("less") is not None
        if by is None:
            return request.ask("duration")
        words = words_for(request)
        wanted = replace(wanted_of(request), length=None)
        there = await self.listed(request, ScheduleKind.TIMER)
        choice = self._choice(request, there, wanted)

        def decide() -> Any:
            if choice.verdict is not Verdict.CHOSEN:
                return {"ids": []}
            left = [timer.left(request.now) for timer in choice.schedules]
            return {"ids": [] if less and min(left) <= by else ids_of(choice.schedules)}

        decision = await self.decided(request, decide)
        if not decision["ids"]:
            if choice.verdict is Verdict.CHOSEN and less:
                (timer, *_) = choice.schedules
                return refused(request, "not_so_much_left", timer=timer_standing(timer, words, request.now))
            return self._unclear(request, choice)
        change = Extend(by=-by if less else by)
        changed = await self.changed(request, decision["ids"], change)
        if not changed:
            return refused(request, "gone")
        left = words.duration(rounded(changed[0].left(request.now)))
        key = "timer_shortened" if less else "timer_extended"
        return request.respond(key, by=words.duration(by), timer=timer_name(changed[0], words), left=left)

    @intent("pause_timer")
    async def pause_timer(self, request: Request) -> Reply:
        """Stop timers' clocks, or let them go on."""
        words, pauses = words_for(request), request.text("resume") is None
        fits = ScheduleState.ARMED if pauses else ScheduleState.PAUSED
        every = await self.listed(request, ScheduleKind.TIMER)
        there = [timer for timer in every if timer.state is fits]
        choice = self._choice(request, there, wanted_of(request))
        ids = await self._picked(request, choice)
        if not ids:
            if every and choice.verdict in {Verdict.NONE, Verdict.UNKNOWN}:
                known = self._choice(request, every, wanted_of(request))
                if known.verdict is not Verdict.UNKNOWN:
                    return refused(request, "none_runs" if pauses else "none_paused")
            return self._unclear(request, choice)
        changed = await self.changed(request, ids, SetPaused(paused=pauses))
        if not changed:
            return refused(request, "gone")
        if len(changed) > 1:
            return request.respond("timers_paused" if pauses else "timers_resumed", count=len(changed))
        left = words.duration(rounded(changed[0].left(request.now)))
        key = "timer_paused" if pauses else "timer_resumed"
        return request.respond(key, timer=timer_name(changed[0], words), left=left)

    @intent("get_timers")
    async def get_timers(self, request: Request) -> Reply:
        """Say how much time is left."""
        words = words_for(request)
        there = await self.listed(request, ScheduleKind.TIMER)
        choice = self._choice(request, there, replace(wanted_of(request), every=True))
        if choice.verdict is not Verdict.CHOSEN:
            return self._unclear(request, choice)
        standing = [timer_standing(timer, words, request.now) for timer in choice.schedules]
        if len(standing) > 1:
            return request.respond("timers", count=len(standing), timers=words.all_of(standing))
        (timer,) = choice.schedules
        key = {ScheduleState.RINGING: "timer_up", ScheduleState.PAUSED: "timer_stands"}.get(timer.state, "timer_left")
        left = words.duration(rounded(timer.left(request.now)))
        return request.respond(key, timer=timer_name(timer, words), left=left)

    @intent("cancel_timer")
    async def cancel_timer(self, request: Request) -> Reply:
        """Cancel timers; what rings is only stopped."""
        words, wanted = words_for(request), wanted_of(request)
        there = await self.listed(request, ScheduleKind.TIMER)
        rings = ringing(there, device_id=request.device_id) if wanted.nothing else ()
        choice = Choice(verdict=Verdict.CHOSEN, schedules=rings) if rings else self._choice(request, there, wanted)
        stops = all(timer.state is ScheduleState.RINGING for timer in choice.schedules)

        def decide() -> Any:
            ids = ids_of(choice.schedules) if choice.verdict is Verdict.CHOSEN else []
            return {"ids": ids, "stops": stops}

        decision = await self.decided(request, decide)
        if not decision["ids"]:
            return self._unclear(request, choice)
        if decision["stops"]:
            await self.changed(request, decision["ids"], Dismiss())
            return request.respond("stopped")
        gone = await self.cancelled(request, decision["ids"])
        if not gone:
            return refused(request, "gone")
        if len(gone) > 1:
            return request.respond("timers_cancelled", count=len(gone))
        return request.respond("timer_cancelled", timer=timer_name(gone[0], words))

    async def _called(self, request: Request, timer: Schedule) -> int:
        """Return how many timers are called like this one."""
        words = words_for(request)
        with suppress(SourceUnavailableError, InvalidScheduleError):
            there = await self.listed(request, ScheduleKind.TIMER)
            return max(1, sum(words.plain(each.label) == words.plain(timer.label) for each in there))
        return 1

    async def _learn(self, request: Request, name: str) -> None:
        """Have a timer's name be heard and understood from now on; the timer is set, whatever becomes of that."""
        with suppress(InvalidWordError, StateConflictError, StateUnavailableError):
            await self.host.words.learn(request.household_id, NAMES, name, locale=request.locale)

    async def _picked(self, request: Request, choice: Choice) -> list[str]:
        ids: list[str] = await self.decided(
            request, lambda: ids_of(choice.schedules) if choice.verdict is Verdict.CHOSEN else []
        )
        return ids

    def _choice(self, request: Request, there: Any, wanted: Wanted) -> Choice:
        return choose(there, wanted, words_for(request), device_id=request.device_id, zone=request.zone)

    def _unclear(self, request: Request, choice: Choice) -> Reply:
        """Say that there are none, or none like that, or ask which one is meant."""
        words = words_for(request)
        if choice.verdict is Verdict.NONE:
            return refused(request, "no_timers")
        if choice.verdict is Verdict.SEVERAL:
            names = timer_choices(choice.schedules, words, request.now)
            return request.ask("name", timers=words.one_of(names))
        standing = [timer_standing(timer, words, request.now) for timer in choice.schedules]
        return refused(request, "no_such_timer", timers=words.all_of(standing), count=len(standing))
