"""Open-Meteo's forecast and geocoding APIs over HTTP."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from earshot_skill_weather.forecast import Day, Forecast, Hour, Place
from earshot_skill_weather.settings import WeatherSettings
from earshot_skillkit import SourceUnavailableError, request_span

DAYS = 16
SAMPLE_HEADER = "X-Earshot-Sample"

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class _Result(BaseModel):
    name: str
    latitude: float
    longitude: float


class _Results(BaseModel):
    results: list[_Result] = []


class _Current(BaseModel):
    temperature_2m: float
    weather_code: int


class _Daily(BaseModel):
    time: list[date]
    weather_code: list[int | None]
    temperature_2m_max: list[float | None]
    temperature_2m_min: list[float | None]
    precipitation_probability_max: list[int | None]


class _Hourly(BaseModel):
    time: list[datetime]
    weather_code: list[int | None]
    temperature_2m: list[float | None]
    precipitation_probability: list[int | None]


class _Weather(BaseModel):
    current: _Current
    daily: _Daily
    hourly: _Hourly


M = TypeVar("M", bound=BaseModel)


class OpenMeteo:
    """A client; close it with `aclose`.

    Args:
        settings: Base URLs, key and timeout.
        transport: How requests are sent; default: over the network.
    """

    def __init__(self, settings: WeatherSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        # A proxy of the environment is for the world outside, not for a server on this machine.
        mounts: dict[str, httpx.AsyncBaseTransport | None] = {f"all://{host}": None for host in _LOOPBACK}
        self._client = httpx.AsyncClient(
            timeout=settings.timeout_s,
            transport=transport,
            mounts=None if transport else mounts,
            follow_redirects=True,
        )

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def place(self, name: str, language: str) -> Place | None:
        """Return the best known place of that name, None where there is none.

        Args:
            name: In any language.
            language: "en", "zh": of the name in the answer.

        Raises:
            SourceUnavailableError: No answer in time, an error, or an answer that is not understood.
        """
        with request_span("open_meteo.search"):
            response = await self._get(
                f"{self._settings.geocoding_api}/v1/search",
                {"name": name, "count": "1", "language": language, "format": "json"},
            )
            results = _read(response, _Results).results
        if not results:
            return None
        best = results[0]
        return Place(name=best.name, latitude=best.latitude, longitude=best.longitude)

    async def forecast(self, latitude: float, longitude: float) -> Forecast:
        """Return the weather of a place, now and for 16 days.

        Raises:
            SourceUnavailableError: No answer in time, an error, or an answer that is not understood.
        """
        with request_span("open_meteo.forecast"):
            response = await self._get(
                f"{self._settings.api}/v1/forecast",
                {
                    "latitude": f"{latitude:.4f}",
                    "longitude": f"{longitude:.4f}",
                    "current": "temperature_2m,weather_code",
                    "daily": "weather_code,temperature_2m_max,temperature_2m_min,precipitation_probability_max",
                    "hourly": "weather_code,temperature_2m,precipitation_probability",
                    "timezone": "auto",
                    "forecast_days": str(DAYS),
                },
            )
            weather = _read(response, _Weather)
        days, hours = _days(weather.daily), _hours(weather.hourly)
        if not days:
            raise SourceUnavailableError("the source knows no day", code="source_malformed")
        return Forecast(
            code=weather.current.weather_code,
            temperature=weather.current.temperature_2m,
            days=days,
            hours=hours,
            sample=response.headers.get(SAMPLE_HEADER) == "1",
        )

    async def _get(self, url: str, parameters: dict[str, str]) -> httpx.Response:
        if self._settings.api_key:
            parameters["apikey"] = self._settings.api_key
        try:
            # httpx limits each phase of a request; a user waits for all of them.
            async with asyncio.timeout(self._settings.timeout_s):
                response = await self._client.get(url, params=parameters)
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise SourceUnavailableError(f"the source answered {error.response.status_code}") from None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # Its text may hold the URL, which says where the user is.
            raise SourceUnavailableError(f"the source did not answer: {type(error).__name__}") from None
        return response


def _read(response: httpx.Response, kind: type[M]) -> M:
    try:
        return kind.model_validate_json(response.content)
    except ValidationError:
        problem = f"the source's answer is not a {kind.__name__.strip('_').lower()} document"
        raise SourceUnavailableError(problem, code="source_malformed") from None


def _days(daily: _Daily) -> tuple[Day, ...]:
    columns = zip(
        daily.time,
        daily.weather_code,
        daily.temperature_2m_max,
        daily.temperature_2m_min,
        daily.precipitation_probability_max,
        strict=False,
    )
    # The last days may have holes.
    return tuple(
        Day(date=day, code=code, high=high, low=low, rain_chance=chance or 0)
        for day, code, high, low, chance in columns
        if code is not None and high is not None and low is not None
    )


def _hours(hourly: _Hourly) -> tuple[Hour, ...]:
    columns = zip(
        hourly.time, hourly.weather_code, hourly.temperature_2m, hourly.precipitation_probability, strict=False
    )
    return tuple(
        Hour(time=time, code=code, temperature=temperature, rain_chance=chance or 0)
        for time, code, temperature, chance in columns
        if code is not None and temperature is not None
    )
