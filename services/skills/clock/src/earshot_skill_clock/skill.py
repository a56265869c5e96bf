"""The clock: time, date and day of the week, here and elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from earshot_skill_clock.places import Place, Places
from earshot_skill_clock.wording import spoken_date, spoken_time, spoken_weekday
from earshot_skillkit import Host, Reply, Request, Skill, intent

_Words = Callable[[datetime, str], str]


class Clock(Skill):
    """Answers get_time, get_date and get_weekday.

    Args:
        host: What the runtime lends.
        places: Where places are; default: all that GeoNames knows.
    """

    def __init__(self, host: Host, places: Places | None = None) -> None:
        super().__init__(host)
        self._places = places or Places()

    async def start(self) -> None:
        """Load each locale's calendar, which would cost the first turn 40 ms."""
        for locale in ("en-US", "zh-CN"):
            spoken_date(self.host.now(), locale)
            spoken_time(self.host.now(), locale)

    @intent("get_time")
    async def get_time(self, request: Request) -> Reply:
        """Say what time it is, with the weekday where it is not the user's own."""
        city = request.text("city")
        if city is None:
            return request.respond("time_here", time=spoken_time(request.now, request.locale))
        place = await self._find(city)
        if place is None:
            return request.respond("unknown_place", place=_as_said(request, "city"))
        there = request.now.astimezone(ZoneInfo(place.zone))
        key = "time_in" if there.date() == request.now.date() else "time_in_on_another_day"
        return request.respond(
            key,
            place=_named(place, request),
            time=spoken_time(there, request.locale),
            weekday=spoken_weekday(there, request.locale),
        )

    @intent("get_date")
    async def get_date(self, request: Request) -> Reply:
        """Say a date."""
        return await self._day(request, "date", spoken_date)

    @intent("get_weekday")
    async def get_weekday(self, request: Request) -> Reply:
        """Say a day of the week."""
        return await self._day(request, "weekday", spoken_weekday)

    async def _day(self, request: Request, what: str, words: _Words) -> Reply:
        asked = request.span("date")
        if asked is not None:
            day = _as_said(request, "date")
            return request.respond(f"{what}_of", day=day, answer=words(asked.start, request.locale))
        city = request.text("city")
        if city is None:
            return request.respond(f"{what}_here", answer=words(request.now, request.locale))
        place = await self._find(city)
        if place is None:
            return request.respond("unknown_place", place=_as_said(request, "city"))
        there = request.now.astimezone(ZoneInfo(place.zone))
        return request.respond(f"{what}_in", place=_named(place, request), answer=words(there, request.locale))

    async def _find(self, city: str) -> Place | None:
        # Off the event loop: the first unusual name builds an index.
        return self._places.usual(city) or await asyncio.to_thread(self._places.find, city)


def _as_said(request: Request, slot: str) -> str:
    return request.slots[slot].text


def _named(place: Place, request: Request) -> str:
    """Return the place's name: in English as it is written, in Chinese as the user said it."""
    return place.name if request.locale.startswith("en") else _as_said(request, "city")
