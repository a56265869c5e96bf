"""The weather's answers, in both locales, from a source that says fixed things, nothing, or nonsense."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from earshot_local import weather_sample
from earshot_skill_weather.open_meteo import OpenMeteo
from earshot_skill_weather.settings import WeatherSettings
from earshot_skill_weather.skill import Weather
from earshot_skillkit import MemoryStates, Question, SourceUnavailableError, Span, States, load_package
from earshot_skillkit.testing import SkillTester
from support.spans import recorded_spans

PACKAGE = load_package("earshot_skill_weather")
PARIS = ZoneInfo("Europe/Paris")

# A Sunday noon in Paris.
NOW = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
TODAY = datetime(2026, 11, 22, tzinfo=PARIS)

# WMO code, highest and lowest temperature, chance of rain: from Sunday on.
DAYS = [
    (2, 14.2, 6.8, 10),
    (61, 12.0, 7.4, 75),
    (71, 0.4, -6.2, 80),
    (3, 9.0, 2.0, 40),
    (0, 11.0, 3.0, 0),
    (80, 12.6, 8.1, 65),
    (95, 13.0, 8.0, 90),
]


@dataclass(slots=True)
class Source:
    """Open-Meteo with fixed weather that can be made to fail."""

    requests: list[Request] = field(default_factory=list)
    status: int = 200
    delay_s: float = 0.0
    body: Any = None

    @property
    def application(self) -> Starlette:
        """The server."""
        return Starlette(routes=[Route("/v1/forecast", self.forecast), Route("/v1/search", self.search)])

    async def forecast(self, request: Request) -> Response:
        """Answer /v1/forecast."""
        self.requests.append(request)
        await asyncio.sleep(self.delay_s)
        if self.body is not None:
            return Response(self.body, status_code=self.status)
        if self.status != 200:
            return JSONResponse({"error": True, "reason": "no"}, status_code=self.status)
        days = [(TODAY.date() + timedelta(days=ahead), *values) for ahead, values in enumerate(DAYS)]
        return JSONResponse(
            {
                "current": {"time": "2026-11-22T12:00", "temperature_2m": 12.3, "weather_code": 2},
                "daily": {
                    "time": [str(day[0]) for day in days],
                    "weather_code": [day[1] for day in days],
                    "temperature_2m_max": [day[2] for day in days],
                    "temperature_2m_min": [day[3] for day in days],
                    "precipitation_probability_max": [day[4] for day in days],
                },
                "hourly": hourly([day[0] for day in days]),
            }
        )

    async def search(self, request: Request) -> Response:
        """Answer /v1/search: everything is in Paris, except Narnia."""
        self.requests.append(request)
        name = request.query_params["name"]
        if name == "Narnia":
            return JSONResponse({"generationtime_ms": 0.2})
        shown = {"fr": "Paris", "zh": f"{name}（源）"}.get(request.query_params["language"], name)
        return JSONResponse({"results": [{"name": shown, "latitude": 48.85, "longitude": 2.35}]})

    def paths(self) -> list[str]:
        """Return what was asked for, in order."""
        return [request.url.path for request in self.requests]


def hourly(days: list[date]) -> dict[str, list[Any]]:
    """Return hours whose temperature in °C is the hour, rainy from six in the evening."""
    hours = [(day, hour) for day in days for hour in range(24)]
    return {
        "time": [f"{day}T{hour:02d}:00" for day, hour in hours],
        "weather_code": [63 if hour >= 18 else 1 for _, hour in hours],
        "temperature_2m": [float(hour) for _, hour in hours],
        "precipitation_probability": [70 if hour >= 18 else 5 for _, hour in hours],
    }


URL = "http://source"


def held(application: Starlette, states: States | None = None, **values: Any) -> SkillTester:
    """Hold the skill in Paris, with an application as its source."""
    settings = WeatherSettings(api=URL, geocoding_api=URL, timeout_s=0.5, **values)
    source = OpenMeteo(settings, httpx.ASGITransport(application))
    return SkillTester(
        PACKAGE, lambda host: Weather(host, settings, source), now=NOW, time_zone="Europe/Paris", states=states
    )


@pytest.fixture
def source() -> Source:
    """Make the fixed weather."""
    return Source()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Record the spans of this process."""
    yield from recorded_spans()


@pytest.fixture
async def weather(source: Source) -> AsyncIterator[SkillTester]:
    """Hold the skill with the fixed weather."""
    async with held(source.application) as tester:
        yield tester


def days(ahead: int, count: int = 1) -> Span:
    """Return whole days, as NLU reads "tomorrow" and "this weekend"."""
    return Span(
        start=TODAY + timedelta(days=ahead),
        end=TODAY + timedelta(days=ahead + count),
        grain="day" if count == 1 else "week",
    )


def hours(start: int, end: int, ahead: int = 0) -> Span:
    """Return part of a day, as NLU reads "tonight"."""
    day = TODAY + timedelta(days=ahead)
    return Span(start=day + timedelta(hours=start), end=day + timedelta(hours=end), grain="hour")


ENGLISH = [
    (
        "what's the weather in Paris",
        None,
        "In Paris it is 54 degrees Fahrenheit with some clouds. Today's high is 58 and the low 44 degrees.",
    ),
    (
        "what's the weather in Paris tomorrow",
        days(1),
        "Tomorrow in Paris there will be light rain, with a high of 54 and a low of 45 degrees Fahrenheit.",
    ),
    (
        "what will the weather be like today in London",
        days(0),
        "Today in London there will be some clouds, with a high of 58 and a low of 44 degrees Fahrenheit.",
    ),
    (
        "weather in Oslo on tuesday",
        days(2),
        "On Tuesday in Oslo there will be light snow, with a high of 33 and a low of 21 degrees Fahrenheit.",
    ),
    (
        "what's the weather tonight in Berlin",
        hours(18, 24),
        "Tonight in Berlin there will be rain, at about 69 degrees Fahrenheit.",
    ),
    (
        "what's the weather in Rome this weekend",
        days(5, 2),
        "This weekend in Rome it will be between 46 and 55 degrees Fahrenheit, with rain or snow likely on Friday and Saturday.",
    ),
    (
        "what's the weather in Rome next week",
        days(3, 2),
        "Next week in Rome it will be between 36 and 52 degrees Fahrenheit, with little chance of rain.",
    ),
    ("how warm is it in Madrid", None, "In Madrid it is 54 degrees Fahrenheit."),
    (
        "how cold will it be in Moscow tomorrow",
        days(1),
        "Tomorrow in Moscow the high will be 54 and the low 45 degrees Fahrenheit.",
    ),
    (
        "how cold will it get tonight in Moscow",
        hours(18, 24),
        "Tonight in Moscow it will be about 69 degrees Fahrenheit.",
    ),
    ("will it rain in Paris", None, "No, rain is unlikely today in Paris: the chance is 10 percent."),
    ("will it rain in Paris tomorrow", days(1), "Yes, rain is likely tomorrow in Paris: the chance is 75 percent."),
    (
        "is it going to rain on wednesday in Paris",
        days(3),
        "Perhaps: on Wednesday in Paris the chance of rain is 40 percent.",
    ),
    (
        "will it rain on tuesday in Oslo",
        days(2),
        "It is more likely to snow on Tuesday in Oslo: the chance is 80 percent.",
    ),
    (
        "do I need an umbrella tonight in Paris",
        hours(18, 24),
        "Yes, rain is likely tonight in Paris: the chance is 70 percent.",
    ),
    ("what's the weather in Narnia", None, "Sorry, I don't know where Narnia is."),
    (
        "what's the weather in Paris next week",
        days(9, 7),
        "Sorry, I know the weather only from today to two weeks ahead.",
    ),
]

MANDARIN = [
    ("巴黎天气怎么样", None, "巴黎现在12度，多云。今天最高14度，最低7度。"),
    ("明天北京天气怎么样", days(1), "北京明天有小雨，最高12度，最低7度。"),
    ("奥斯陆后天天气", days(2), "奥斯陆后天有小雪，最高0度，最低零下6度。"),
    ("今晚上海天气怎么样", hours(18, 24), "上海今晚有中雨，大约20度。"),
    ("罗马周末天气怎么样", days(5, 2), "罗马周末气温8到13度，星期五和星期六可能有雨雪。"),
    ("东京多少度", None, "东京现在12度。"),
    ("明天东京气温是多少", days(1), "东京明天最高12度，最低7度。"),
    ("北京会下雨吗", None, "不会，北京今天不太可能下雨，降水概率百分之10。"),
    ("明天北京会不会下雨", days(1), "会的，北京明天很可能下雨，降水概率百分之75。"),
    ("后天奥斯陆会下雨吗", days(2), "奥斯陆后天更可能下雪，降水概率百分之80。"),
]


@pytest.mark.parametrize(("words", "asked", "answer"), ENGLISH)
async def test_english(weather: SkillTester, words: str, asked: Span | None, answer: str) -> None:
    """Degrees are Fahrenheit; days and places are named."""
    assert await weather.say(words, **({"date": asked} if asked else {})) == answer


@pytest.mark.parametrize(("words", "asked", "answer"), MANDARIN)
async def test_mandarin(weather: SkillTester, words: str, asked: Span | None, answer: str) -> None:
    """Degrees are Celsius; places are repeated as they were said."""
    assert await weather.say(words, locale="zh-CN", **({"date": asked} if asked else {})) == answer


async def test_without_a_city_the_skill_asks_for_it(weather: SkillTester) -> None:
    """A household without a home is asked in its own language."""
    for locale, words in (("en-US", "In which city?"), ("zh-CN", "哪个城市？")):
        (step,) = await weather.call("get_forecast", locale=locale)
        assert isinstance(step, Question)
        assert (step.slot_name, step.prompt.text) == ("city", words)


async def test_a_household_that_said_its_city_is_not_asked(weather: SkillTester) -> None:
    """The city is remembered as it was said, for every intent and locale."""
    assert (await weather.say("i live in London")).startswith("All right, from now on I mean London")
    assert (await weather.say("how warm is it")) == "In London it is 54 degrees Fahrenheit."
    assert await weather.say("我住在伦敦", locale="zh-CN") == "好的，以后您不说城市时，我就说伦敦的天气。"
    assert await weather.say("会下雨吗", locale="zh-CN") == "不会，伦敦今天不太可能下雨，降水概率百分之10。"
    assert (await weather.say("i live in Narnia")) == "Sorry, I don't know where Narnia is."
    assert (await weather.say("how warm is it")) == "In London it is 54 degrees Fahrenheit."


async def test_a_default_city_is_the_operators_choice(source: Source) -> None:
    """A fleet in one city can say so; a household's own choice comes first."""
    async with held(source.application, MemoryStates(), default_city="Berlin") as tester:
        assert await tester.say("how warm is it") == "In Berlin it is 54 degrees Fahrenheit."
        await tester.say("i live in Rome")
        assert await tester.say("how warm is it") == "In Rome it is 54 degrees Fahrenheit."


async def test_today_where_tomorrow_has_begun(weather: SkillTester) -> None:
    """Where the place's calendar is ahead of the user's, today is what the place has left of it."""
    weather.now = NOW - timedelta(days=1)
    yesterday = Span(start=TODAY - timedelta(days=1), end=TODAY, grain="day")
    assert (await weather.say("will it rain today in Auckland", date=yesterday)).startswith("No, rain is unlikely")


async def test_the_same_place_is_asked_for_once(weather: SkillTester, source: Source) -> None:
    """Position and forecast are cached; another language looks the name up again."""
    for _ in range(3):
        await weather.say("what's the weather in Paris")
    assert source.paths() == ["/v1/search", "/v1/forecast"]
    await weather.say("巴黎天气怎么样", locale="zh-CN")
    assert source.paths() == ["/v1/search", "/v1/forecast", "/v1/search"]


async def test_callers_at_once_share_a_request(weather: SkillTester, source: Source) -> None:
    """Ten devices that ask together cost one request each way."""
    source.delay_s = 0.1
    answers = await asyncio.gather(*(weather.say("how warm is it in Paris") for _ in range(10)))
    assert set(answers) == {"In Paris it is 54 degrees Fahrenheit."}
    assert source.paths() == ["/v1/search", "/v1/forecast"]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (500, None, "source_unavailable"),
        (429, None, "source_unavailable"),
        (400, None, "source_unavailable"),
        (200, "<html>captive portal</html>", "source_malformed"),
        (200, "{}", "source_malformed"),
        (200, '{"current": {"temperature_2m": null, "weather_code": 1}, "daily": {}}', "source_malformed"),
    ],
)
async def test_a_source_that_fails_is_a_retryable_error(
    weather: SkillTester, source: Source, status: int, body: str | None, code: str
) -> None:
    """Dialogue may try again, and else apologises; nothing is made up."""
    source.status, source.body = status, body
    with pytest.raises(SourceUnavailableError) as raised:
        await weather.say("what's the weather in Paris")
    assert (raised.value.code, raised.value.retryable) == (code, True)
    assert "48.8" not in str(raised.value)


async def test_a_slow_source_is_given_up(weather: SkillTester, source: Source) -> None:
    """The user waits for the time limit and no longer."""
    source.delay_s = 30
    started = asyncio.get_running_loop().time()
    with pytest.raises(SourceUnavailableError):
        await weather.say("what's the weather in Paris")
    assert asyncio.get_running_loop().time() - started < 1.5


async def test_a_source_that_is_not_there_is_given_up() -> None:
    """A refused connection is the same error."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = WeatherSettings(api=url, geocoding_api=url)
        build = lambda host: Weather(host, settings, OpenMeteo(settings))  # noqa: E731 - said once
        async with SkillTester(PACKAGE, build, now=NOW) as tester:
            with pytest.raises(SourceUnavailableError):
                await tester.say("what's the weather in Paris")


async def test_a_recent_forecast_stands_in_for_a_source_that_fails(source: Source) -> None:
    """A forecast that is past its time, but not an hour old, is better than an apology."""
    async with held(source.application, forecast_ttl_s=0) as tester:
        first = await tester.say("how warm is it in Paris")
        source.status = 503
        assert await tester.say("how warm is it in Paris") == first


async def test_the_sample_server_is_owned_up_to() -> None:
    """What a sample says is said to be one, in both locales."""
    async with held(weather_sample.app(lambda: NOW)) as tester:
        english = await tester.say("what's the weather in Paris tomorrow", date=days(1))
        mandarin = await tester.say("巴黎明天天气怎么样", locale="zh-CN", date=days(1))
    assert english.startswith("Tomorrow in Paris there will be ")
    assert english.endswith(" This is sample data.")
    assert mandarin.startswith("巴黎明天")
    assert mandarin.endswith("这是示例数据。")


async def test_what_is_waited_for_shows_in_the_trace(weather: SkillTester, spans: InMemorySpanExporter) -> None:
    """One span a request, without the place; none while cached."""
    for _ in range(2):
        await weather.say("what's the weather in Paris")
    finished = spans.get_finished_spans()
    assert [span.name for span in finished] == ["open_meteo.search", "open_meteo.forecast"]
    assert [dict(span.attributes or {}) for span in finished] == [{}, {}]


async def test_a_key_is_sent_where_there_is_one(source: Source) -> None:
    """A commercial plan's key goes with every request."""
    async with held(source.application, api_key="k") as tester:
        await tester.say("how warm is it in Paris")
    assert {request.query_params["apikey"] for request in source.requests} == {"k"}
