"""A server of Open-Meteo's own shape with made-up weather, for machines that can't reach the real one.

Same paths, parameters, documents and errors as `/v1/forecast` and the geocoding `/v1/search`, as far as the weather
skill uses them. Every answer carries `X-Earshot-Sample: 1`, by which the skill knows to say so. The weather is a
function of place and time: summers are warm, nights are cold, and the same question has the same answer.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

_HEADERS = {"X-Earshot-Sample": "1"}
_MAX_DAYS = 16
_SEARCH_MINIMUM = 2

# Where people look first is where it really is; other names get a position of their own.
_KNOWN: Mapping[str, tuple[float, float, str]] = {
    "beijing": (39.9075, 116.3972, "Asia/Shanghai"),
    "berlin": (52.5244, 13.4105, "Europe/Berlin"),
    "hong kong": (22.2783, 114.1747, "Asia/Hong_Kong"),
    "london": (51.5085, -0.1257, "Europe/London"),
    "los angeles": (34.0522, -118.2437, "America/Los_Angeles"),
    "new york": (40.7143, -74.006, "America/New_York"),
    "paris": (48.8534, 2.3488, "Europe/Paris"),
    "san francisco": (37.7749, -122.4194, "America/Los_Angeles"),
    "shanghai": (31.2222, 121.4581, "Asia/Shanghai"),
    "singapore": (1.2897, 103.8501, "Asia/Singapore"),
    "sydney": (-33.8678, 151.2073, "Australia/Sydney"),
    "tokyo": (35.6895, 139.6917, "Asia/Tokyo"),
}

# WMO codes with their chance of precipitation in per cent; a code's share of days is its share of this list.
_SKIES = ((0, 0), (0, 2), (1, 5), (2, 10), (2, 15), (3, 25), (3, 35), (45, 20), (61, 65), (63, 80), (80, 70), (95, 75))
_SNOWY = {61: 71, 63: 73, 80: 85, 95: 86}
_COOL = {80: 61, 95: 63}

_DAILY = (
    "weather_code",
    "temperature_2m_max",
    "temperature_2m_min",
    "precipitation_probability_max",
)
_HOURLY = ("weather_code", "temperature_2m", "precipitation_probability")
_UNITS = {
    "weather_code": "wmo code",
    "precipitation_probability": "%",
    "precipitation_probability_max": "%",
    "time": "iso8601",
}


class _BadRequestError(Exception):
    """What the API refuses, in its own words."""


def app(now: Callable[[], datetime] | None = None) -> Starlette:
    """Return the server.

    Args:
        now: The present moment, aware; default: the clock's.
    """
    clock = now or _utc_now

    async def forecast(request: Request) -> Response:
        try:
            return JSONResponse(_forecast(request.query_params, clock()), headers=_HEADERS)
        except _BadRequestError as error:
            return JSONResponse({"error": True, "reason": str(error)}, status_code=400, headers=_HEADERS)

    async def search(request: Request) -> Response:
        name = request.query_params.get("name", "")
        found = [_place(name)] if sum(map(str.isalpha, name)) >= _SEARCH_MINIMUM else []
        document = {"results": found} if found else {}
        return JSONResponse({**document, "generationtime_ms": 0.1}, headers=_HEADERS)

    async def alive(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/v1/forecast", forecast),
            Route("/v1/search", search),
            Route("/readyz", alive),
            Route("/livez", alive),
        ]
    )


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _place(name: str) -> dict[str, Any]:
    key = " ".join(name.casefold().split())
    seed = _share("place", key)
    latitude, longitude, zone = _KNOWN.get(
        key, (round(_share("latitude", key) * 110 - 50, 4), round(_share("longitude", key) * 360 - 180, 4), "")
    )
    return {
        "id": int(seed * 10_000_000),
        "name": key.title() if name.islower() else " ".join(name.split()),
        "latitude": latitude,
        "longitude": longitude,
        "feature_code": "PPL",
        "timezone": zone or f"Etc/GMT{-_solar_hours(longitude):+d}",
    }


def _forecast(query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    latitude = _number(query, "latitude", 90)
    longitude = _number(query, "longitude", 180)
    zone_name, zone = _zone(query.get("timezone", "GMT"), latitude, longitude)
    local = now.astimezone(zone)
    fahrenheit = query.get("temperature_unit") == "fahrenheit"
    degree = "°F" if fahrenheit else "°C"
    offset = local.utcoffset() or timedelta(0)
    document: dict[str, Any] = {
        "latitude": latitude,
        "longitude": longitude,
        "generationtime_ms": 0.1,
        "utc_offset_seconds": int(offset.total_seconds()),
        "timezone": zone_name,
        "timezone_abbreviation": zone_name,
        "elevation": 0.0,
    }

    def unit(value: float) -> float:
        return round(value * 9 / 5 + 32 if fahrenheit else value, 1)

    def units(names: tuple[str, ...]) -> dict[str, str]:
        return {name: _UNITS.get(name, degree) for name in ("time", *names)}

    days = [local.date() + timedelta(days=ahead) for ahead in range(_days(query))]
    weather = _Weather(latitude, longitude)
    if current := _variables(query, "current", _HOURLY):
        moment = local.replace(minute=local.minute // 15 * 15, second=0, microsecond=0, tzinfo=None)
        values = weather.hour(moment)
        document["current_units"] = {**units(current), "interval": "seconds"}
        document["current"] = {"time": moment.isoformat(timespec="minutes"), "interval": 900} | {
            name: unit(values[name]) if name.startswith("temperature") else values[name] for name in current
        }
    if hourly := _variables(query, "hourly", _HOURLY):
        times = [datetime(day.year, day.month, day.day, hour) for day in days for hour in range(24)]  # noqa: DTZ001 - wall clock
        rows = [weather.hour(time) for time in times]
        document["hourly_units"] = units(hourly)
        document["hourly"] = {"time": [time.isoformat(timespec="minutes") for time in times]} | {
            name: [unit(row[name]) if name.startswith("temperature") else row[name] for row in rows] for name in hourly
        }
    if daily := _variables(query, "daily", _DAILY):
        rows = [weather.day(day) for day in days]
        document["daily_units"] = units(daily)
        document["daily"] = {"time": [day.isoformat() for day in days]} | {
            name: [unit(row[name]) if name.startswith("temperature") else row[name] for row in rows] for name in daily
        }
    return document


class _Weather:
    """The made-up weather of one place, in °C and WMO codes, by its wall clock."""

    def __init__(self, latitude: float, longitude: float) -> None:
        self._latitude = latitude
        self._key = f"{latitude:.2f},{longitude:.2f}"

    def day(self, day: date) -> dict[str, float]:
        code, chance = self._sky(day)
        mean, swing = self._temperatures(day)
        return {
            "weather_code": code,
            "temperature_2m_max": round(mean + swing, 1),
            "temperature_2m_min": round(mean - swing, 1),
            "precipitation_probability_max": chance,
        }

    def hour(self, time: datetime) -> dict[str, float]:
        code, chance = self._sky(time.date())
        mean, swing = self._temperatures(time.date())
        # Warmest at three in the afternoon, coldest twelve hours before.
        warmth = math.cos((time.hour + time.minute / 60 - 15) / 24 * math.tau)
        return {
            "weather_code": code,
            "temperature_2m": round(mean + swing * warmth, 1),
            "precipitation_probability": chance,
        }

    def _temperatures(self, day: date) -> tuple[float, float]:
        """Return the day's mean and half of its range."""
        away = abs(self._latitude)
        season = math.cos((day.timetuple().tm_yday - 200) / 365.25 * math.tau) * (1 if self._latitude >= 0 else -1)
        mean = 28 - 0.36 * away + season * away * 0.2 + (_share("warmth", self._key, day) - 0.5) * 6
        return mean, 3 + _share("swing", self._key, day) * 4

    def _sky(self, day: date) -> tuple[int, int]:
        code, chance = _SKIES[int(_share("sky", self._key, day) * len(_SKIES))]
        mean, _ = self._temperatures(day)
        if mean < 0:
            return _SNOWY.get(code, code), chance
        return (_COOL.get(code, code) if mean < 15 else code), chance


def _share(*parts: object) -> float:
    """Return a number from 0 to below 1 that depends on the parts alone."""
    digest = sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _solar_hours(longitude: float) -> int:
    return max(-12, min(12, round(longitude / 15)))


def _zone(name: str, latitude: float, longitude: float) -> tuple[str, tzinfo]:
    if name == "auto":
        for known_latitude, known_longitude, known in _KNOWN.values():
            if math.hypot(latitude - known_latitude, longitude - known_longitude) < 0.5:
                return known, ZoneInfo(known)
        hours = _solar_hours(longitude)
        return f"GMT{hours:+d}", timezone(timedelta(hours=hours))
    try:
        return name, ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise _BadRequestError("Invalid timezone") from None


def _number(query: Mapping[str, str], name: str, limit: float) -> float:
    try:
        value = float(query[name])
    except KeyError:
        raise _BadRequestError(f"Parameter '{name}' is required") from None
    except ValueError:
        raise _BadRequestError(f"Parameter '{name}' is not a number") from None
    if not -limit <= value <= limit:
        raise _BadRequestError(f"{name.capitalize()} must be in range of -{limit} to {limit}°. Given: {value}.")
    return value


def _days(query: Mapping[str, str]) -> int:
    text = query.get("forecast_days", "7")
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_DAYS:
        raise _BadRequestError(f"Forecast days is invalid. Allowed range 0 to {_MAX_DAYS}. Given {text}.")
    return int(text)


def _variables(query: Mapping[str, str], kind: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name for name in query.get(kind, "").split(",") if name)
    for name in names:
        if name not in known:
            raise _BadRequestError(f"Data corrupted at path ''. Cannot initialize {kind} from invalid value {name}.")
    return names


def main() -> None:
    """Serve on EARSHOT_HTTP_HOST and EARSHOT_HTTP_PORT until SIGTERM."""
    import uvicorn  # noqa: PLC0415 - the application is tested without it

    uvicorn.run(
        app(),
        host=os.environ.get("EARSHOT_HTTP_HOST", "127.0.0.1"),
        port=int(os.environ.get("EARSHOT_HTTP_PORT", "0")),
        log_level="warning",
    )


if __name__ == "__main__":
    main()
