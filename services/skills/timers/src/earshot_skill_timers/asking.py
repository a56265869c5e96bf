"""What the handlers of this skill share: whose schedules are meant, and how it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from earshot_skill_timers.choosing import Wanted
from earshot_skill_timers.wording import Words, words_of
from earshot_skillkit import Change, Effect, Reply, Request, Schedule, ScheduleKind, ScheduleNotFoundError, Skill


class Asking(Skill):
    """Base of the handlers."""

    async def listed(self, request: Request, *kinds: ScheduleKind) -> tuple[Schedule, ...]:
        """Return the household's schedules, those due soonest first."""
        return await self.host.schedules.list(request, *kinds, everywhere=True)

    async def decided(self, request: Request, decide: Callable[[], Any]) -> Any:
        """Return what the first attempt of this call decided to do: what is there is no longer what it saw.

        Raises:
            StateUnavailableError: Nothing has happened.
        """

        async def perform(_key: str) -> Any:
            return decide()

        return await request.once("decide", perform)

    async def changed(self, request: Request, ids: Sequence[str], change: Change) -> list[Schedule]:
        """Change schedules; those that have gone meanwhile are left out."""
        return await _each(ids, lambda each: self.host.schedules.update(request, each, change))

    async def cancelled(self, request: Request, ids: Sequence[str]) -> list[Schedule]:
        """Cancel schedules; those that have gone meanwhile are left out."""
        return await _each(ids, lambda each: self.host.schedules.cancel(request, each))


async def _each(ids: Sequence[str], perform: Callable[[str], Awaitable[Schedule]]) -> list[Schedule]:
    done: list[Schedule] = []
    for schedule_id in ids:
        with suppress(ScheduleNotFoundError):
            done.append(await perform(schedule_id))
    return done


def wanted_of(request: Request) -> Wanted:
    """Return what was said about which timer is meant."""
    return Wanted(
        name=request.text("name") or "",
        length=request.duration("duration"),
        position=request.text("position") or "",
        every=request.text("all") is not None,
    )


def refused(request: Request, key: str, **values: Any) -> Reply:
    """Return an answer that says why nothing was done."""
    return request.respond(key, effect=Effect.FAILED if request.has_effect else None, **values)


def ids_of(schedules: Sequence[Schedule]) -> list[str]:
    """Return their ids."""
    return [schedule.schedule_id for schedule in schedules]


def words_for(request: Request) -> Words:
    """Return the words of the call's locale."""
    return words_of(request.locale)
