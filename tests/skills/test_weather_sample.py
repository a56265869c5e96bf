"""The sample server has Open-Meteo's shape, and weather that is plausible and the same each time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise

import httpx
import pytest

from earshot_local.weather_sample import app
from earshot_skill_weather.open_meteo import OpenMeteo
from earshot_skill_weather.settings import WeatherSettings
from support.http_servers import serving

NOW = datetime(2026, 11, 22, 11, 7, tzinfo=UTC)
ALL = {
    "current": "temperature_2m,weather_code",
    "hourly": "temperature_2m,weather_code,precipitation_probability",
    "daily": "weather_code,temperature_2m_max,temperature_2m_min,precipitation_probability_max",
    "timezone": "auto",
}


@pytest.fixture
async def sample() -> AsyncIterator[httpx.AsyncClient]:
    """Serve it at a frozen moment."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app(lambda: NOW)), base_url="http://sample") as client:
        yield client


async def test_a_forecast_has_the_shape_of_the_real_one(sample: httpx.AsyncClient) -> None:
    """Units, times on the place's wall clock, columns of one length, and the header of a sample."""
    response = await sample.get("/v1/forecast", params={"latitude": "35.69", "longitude": "139.69", **ALL})
    document = response.json()
    assert response.headers["X-Earshot-Sample"] == "1"
    assert (document["timezone"], document["utc_offset_seconds"]) == ("Asia/Tokyo", 9 * 3600)
    assert document["current"]["time"] == "2026-11-22T20:00"
    assert document["current"]["interval"] == 900
    assert document["daily_units"]["temperature_2m_max"] == "°C"
    assert document["daily"]["time"][0] == "2026-11-22"
    assert {len(column) for column in document["daily"].values()} == {7}
    assert document["hourly"]["time"][:2] == ["2026-11-22T00:00", "2026-11-22T01:00"]
    assert {len(column) for column in document["hourly"].values()} == {7 * 24}


async def test_the_same_question_has_the_same_answer(sample: httpx.AsyncClient) -> None:
    """Place and time decide; another place has other weather."""
    answers = [
        (await sample.get("/v1/forecast", params={"latitude": latitude, "longitude": "2.35", **ALL})).json()["daily"]
        for latitude in ("48.85", "48.85", "41.9")
    ]
    assert answers[0] == answers[1] != answers[2]


@pytest.mark.parametrize("latitude", [-80, -34, 0, 35, 60, 89])
@pytest.mark.parametrize("month", [1, 7])
async def test_the_weather_is_plausible(latitude: int, month: int) -> None:
    """Temperatures that exist on Earth, highs above lows, snow only in the cold, chances of rain with rain."""
    now = datetime(2026, month, 15, tzinfo=UTC)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app(lambda: now)), base_url="http://sample") as client:
        parameters = {"latitude": str(latitude), "longitude": "10", "forecast_days": "16", **ALL}
        daily = (await client.get("/v1/forecast", params=parameters)).json()["daily"]
    rows = zip(*daily.values(), strict=True)
    for _, code, high, low, chance in rows:
        assert -60 < low < high < 50
        assert (code in {71, 73, 85, 86}) <= (low < 0)
        assert (chance >= 60) == (code > 50)


async def test_summers_are_warm(sample: httpx.AsyncClient) -> None:
    """July is warmer than January in Paris, and colder in Sydney."""
    highs = {}
    for month in (1, 7):
        now = datetime(2026, month, 15, tzinfo=UTC)
        transport = httpx.ASGITransport(app(lambda now=now: now))
        async with httpx.AsyncClient(transport=transport, base_url="http://sample") as client:
            for city, latitude in (("Paris", "48.85"), ("Sydney", "-33.87")):
                parameters = {"latitude": latitude, "longitude": "2.35", **ALL}
                daily = (await client.get("/v1/forecast", params=parameters)).json()["daily"]
                highs[city, month] = sum(daily["temperature_2m_max"])
    assert highs["Paris", 7] > highs["Paris", 1] + 50
    assert highs["Sydney", 7] < highs["Sydney", 1] - 30
    assert sample


async def test_afternoons_are_warmer_than_nights(sample: httpx.AsyncClient) -> None:
    """The hours of a day rise to three in the afternoon and stay between low and high."""
    parameters = {"latitude": "48.85", "longitude": "2.35", **ALL}
    document = (await sample.get("/v1/forecast", params=parameters)).json()
    temperatures = document["hourly"]["temperature_2m"][:24]
    assert all(earlier <= later for earlier, later in pairwise(temperatures[3:16]))
    low, high = document["daily"]["temperature_2m_min"][0], document["daily"]["temperature_2m_max"][0]
    assert low - 0.1 <= min(temperatures) <= max(temperatures) <= high + 0.1


async def test_fahrenheit_is_given_where_it_is_asked_for(sample: httpx.AsyncClient) -> None:
    """The unit of the document is the one that was asked for."""
    parameters = {"latitude": "48.85", "longitude": "2.35", **ALL}
    celsius = (await sample.get("/v1/forecast", params=parameters)).json()
    fahrenheit = (await sample.get("/v1/forecast", params={**parameters, "temperature_unit": "fahrenheit"})).json()
    assert fahrenheit["current_units"]["temperature_2m"] == "°F"
    expected = celsius["current"]["temperature_2m"] * 9 / 5 + 32
    assert fahrenheit["current"]["temperature_2m"] == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"latitude": "91"},
        {"latitude": "north"},
        {"longitude": "-181"},
        {"daily": "moon_phase"},
        {"forecast_days": "17"},
        {"forecast_days": "many"},
        {"timezone": "Mars/Olympus"},
        {"latitude": "nan"},
    ],
)
async def test_what_the_real_one_refuses_is_refused(sample: httpx.AsyncClient, wrong: dict[str, str]) -> None:
    """400 with the API's error document."""
    response = await sample.get("/v1/forecast", params={"latitude": "48.85", "longitude": "2.35", **ALL, **wrong})
    assert response.status_code == 400
    assert response.json()["error"] is True
    assert response.json()["reason"]


async def test_places_are_found(sample: httpx.AsyncClient) -> None:
    """Known cities where they are, other names somewhere and always there, nonsense nowhere."""

    async def search(name: str) -> list[dict[str, object]]:
        return (await sample.get("/v1/search", params={"name": name, "count": "1"})).json().get("results", [])

    (paris,) = await search("Paris")
    assert (paris["latitude"], paris["timezone"]) == (48.8534, "Europe/Paris")
    assert await search("Timbuktu") == await search("Timbuktu") != await search("Oslo")
    assert -90 <= (await search("瓦加杜古"))[0]["latitude"] <= 90  # type: ignore[operator]
    for nonsense in ("", "x", "12345", "😀"):
        assert await search(nonsense) == []


async def test_it_is_alive(sample: httpx.AsyncClient) -> None:
    """The supervisor's probe is answered."""
    assert (await sample.get("/readyz")).status_code == 200


async def test_the_skills_client_reads_it() -> None:
    """All 16 days and their hours, for a place that was looked up."""
    async with serving(app(lambda: NOW)) as url:
        client = OpenMeteo(WeatherSettings(api=url, geocoding_api=url))
        place = await client.place("Sydney", "en")
        assert place is not None
        forecast = await client.forecast(place.latitude, place.longitude)
        await client.aclose()
    assert (len(forecast.days), len(forecast.hours), forecast.sample) == (16, 384, True)
    assert str(forecast.today.date) == "2026-11-22"
