"""The weather: now, on a day, at a time of day; in a city, or at home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from earshot_skill_weather.cache import Cache
from earshot_skill_weather.forecast import Day, Forecast, Place, is_snow, part_of_day, wet_days
from earshot_skill_weather.open_meteo import OpenMeteo
from earshot_skill_weather.settings import WeatherSettings
from earshot_skill_weather.when import Hours, when, whole_day
from earshot_skill_weather.wording import condition, day_name, degrees, weekdays
from earshot_skillkit import Answer, Host, Question, Reply, Request, Skill, intent

# Chances of rain in per cent.
_LIKELY = 60
_POSSIBLE = 30

# Name of the household's state.
_HOME = "home"


@dataclass(frozen=True, slots=True, kw_only=True)
class _City:
    """A city as it is looked up, and as it is said in the locale; empty: as the source writes it."""

    key: str
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """The place that a question is about, and its weather."""

    name: str
    forecast: Forecast


class Weather(Skill):
    """Answers get_forecast, get_temperature and get_rain; remembers with set_home.

    Args:
        host: What the runtime lends.
        settings: How long forecasts are kept, and the city that is meant by default.
        source: Where forecasts come from; closed with the skill.
    """

    def __init__(self, host: Host, settings: WeatherSettings, source: OpenMeteo) -> None:
        super().__init__(host)
        self._settings = settings
        self._source = source
        self._places: Cache[tuple[str, str], Place | None] = Cache(
            ttl_s=settings.place_ttl_s, stale_s=settings.place_ttl_s, size=settings.cache_size
        )
        self._forecasts: Cache[tuple[float, float], Forecast] = Cache(
            ttl_s=settings.forecast_ttl_s, stale_s=settings.stale_s, size=settings.cache_size
        )

    async def stop(self) -> None:
        """Close the connections to the source."""
        await self._source.aclose()

    @intent("get_forecast")
    async def get_forecast(self, request: Request) -> Reply:
        """Say what the weather is like."""
        return await self._answer(request, "forecast")

    @intent("get_temperature")
    async def get_temperature(self, request: Request) -> Reply:
        """Say how warm it is."""
        return await self._answer(request, "temperature")

    @intent("get_rain")
    async def get_rain(self, request: Request) -> Reply:
        """Say whether it will rain: today, if no day was said."""
        subject = await self._subject(request)
        if not isinstance(subject, _Subject):
            return subject
        span = request.span("date")
        asked = when(span) if span else whole_day(request.now.date())
        if isinstance(asked, Hours):
            hours = subject.forecast.hours_between(asked.start, asked.end)
            if not hours:
                return request.respond("too_far")
            part = part_of_day(hours)
            return self._rain(request, subject, request.slots["date"].text, part.code, part.rain_chance)
        days = subject.forecast.days_between(asked.first, asked.end, today=request.now.date())
        if not days:
            return request.respond("too_far")
        if len(days) > 1:
            return self._days(request, subject, days)
        name = day_name(days[0].date, request.now.date(), request.locale)
        return self._rain(request, subject, name, days[0].code, days[0].rain_chance)

    @intent("set_home")
    async def set_home(self, request: Request) -> Reply:
        """Remember the household's city, if there is such a place."""
        city = _city_of(request)
        if city is None:
            return request.ask("city")
        place = await self._place(city, request.locale)
        if place is None:
            return request.respond("unknown_place", place=request.slots["city"].text)
        home = {"city": city.key, "said": {request.locale: city.said}}
        await self.host.states.update(request.household_id, _HOME, lambda _: home)
        return request.respond("home_set", place=city.said or place.name)

    async def _answer(self, request: Request, what: str) -> Reply:
        subject = await self._subject(request)
        if not isinstance(subject, _Subject):
            return subject
        span = request.span("date")
        if span is None:
            return self._now(request, subject, what)
        asked = when(span)
        if isinstance(asked, Hours):
            return self._hours(request, subject, what, asked)
        days = subject.forecast.days_between(asked.first, asked.end, today=request.now.date())
        if not days:
            return request.respond("too_far")
        if not asked.single:
            return self._days(request, subject, days)
        return self._day(request, subject, what, days[0])

    def _now(self, request: Request, subject: _Subject, what: str) -> Answer:
        forecast, locale = subject.forecast, request.locale
        return self._respond(
            request,
            subject,
            f"{what}_now",
            temperature=degrees(forecast.temperature, locale),
            condition=condition(forecast.code, locale),
            high=degrees(max(forecast.today.high, forecast.temperature), locale),
            low=degrees(min(forecast.today.low, forecast.temperature), locale),
        )

    def _day(self, request: Request, subject: _Subject, what: str, day: Day) -> Answer:
        return self._respond(
            request,
            subject,
            f"{what}_day",
            day=day_name(day.date, request.now.date(), request.locale),
            condition=condition(day.code, request.locale),
            high=degrees(day.high, request.locale),
            low=degrees(day.low, request.locale),
        )

    def _hours(self, request: Request, subject: _Subject, what: str, asked: Hours) -> Answer:
        hours = subject.forecast.hours_between(asked.start, asked.end)
        if not hours:
            return request.respond("too_far")
        part = part_of_day(hours)
        return self._respond(
            request,
            subject,
            f"{what}_hours",
            day=request.slots["date"].text,
            condition=condition(part.code, request.locale),
            temperature=degrees(part.temperature, request.locale),
        )

    def _days(self, request: Request, subject: _Subject, days: tuple[Day, ...]) -> Answer:
        return self._respond(
            request,
            subject,
            "forecast_days",
            day=request.slots["date"].text,
            high=degrees(max(day.high for day in days), request.locale),
            low=degrees(min(day.low for day in days), request.locale),
            wet_days=weekdays([day.date for day in wet_days(days, _LIKELY)], request.locale),
        )

    def _rain(self, request: Request, subject: _Subject, day: str, code: int, chance: int) -> Answer:
        key = "rain_unlikely"
        if chance >= _LIKELY:
            key = "snow_likely" if is_snow(code) else "rain_likely"
        elif chance >= _POSSIBLE:
            key = "rain_possible"
        return self._respond(request, subject, key, day=day, chance=chance)

    def _respond(self, request: Request, subject: _Subject, key: str, **values: Any) -> Answer:
        answer = request.respond(key, place=subject.name, **values)
        return answer.followed_by(request.prompt("sample")) if subject.forecast.sample else answer

    async def _subject(self, request: Request) -> _Subject | Answer | Question:
        city = _city_of(request) or await self._home(request)
        if city is None:
            return request.ask("city")
        place = await self._place(city, request.locale)
        if place is None:
            return request.respond("unknown_place", place=city.said or city.key)
        position = (round(place.latitude, 2), round(place.longitude, 2))
        forecast = await self._forecasts.get(position, lambda: self._source.forecast(*position))
        return _Subject(name=city.said or place.name, forecast=forecast)

    async def _home(self, request: Request) -> _City | None:
        home = await self.host.states.get(request.household_id, _HOME)
        if home:
            return _City(key=str(home["city"]), said=str(home["said"].get(request.locale, "")))
        return _City(key=self._settings.default_city) if self._settings.default_city else None

    async def _place(self, city: _City, locale: str) -> Place | None:
        language = locale.partition("-")[0]
        return await self._places.get((city.key.casefold(), language), lambda: self._source.place(city.key, language))


def _city_of(request: Request) -> _City | None:
    """Return the city that was said. Chinese answers repeat it as it was said; the source's names may be traditional."""
    key = request.text("city")
    if key is None:
        return None
    return _City(key=key, said=request.slots["city"].text if request.locale.startswith("zh") else "")
