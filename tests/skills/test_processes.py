"""Clock and weather as the processes that they are: own credentials, live registration."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import nats
import pytest
from nats.aio.client import Client

from earshot.common.v1 import turn_pb2
from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_local import Stack
from earshot_local.plan import SERVICES
from earshot_registry import HouseholdWords, RegistrySnapshot, SkillRegistry
from earshot_skillkit import Span, wire
from earshot_topology.subjects import SKILLS_API

SKILLS = tuple(service for service in SERVICES if service.name in {"clock", "weather"})


@pytest.fixture
async def connect_as() -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """Connect to a stack with a role's own credentials; note what the server refuses."""
    async with contextlib.AsyncExitStack() as opened:

        async def open_client(stack: Stack, role: str, refusals: list[str]) -> Client:
            async def on_error(error: Exception) -> None:
                if "permissions violation" in str(error).lower():
                    refusals.append(str(error))

            client = await nats.connect(
                stack.nats_url,
                user_credentials=str(stack.creds(role)),
                inbox_prefix=f"_INBOX_{role}",
                error_cb=on_error,
                max_reconnect_attempts=1,
            )
            opened.push_async_callback(client.close)
            return client

        yield open_client


async def until(registry: SkillRegistry, holds: Callable[[RegistrySnapshot], bool], within_s: float) -> None:
    """Wait until the snapshot is so."""
    async with asyncio.timeout(within_s):
        while not holds(registry.snapshot):
            await asyncio.sleep(0.01)


def names(snapshot: RegistrySnapshot) -> list[str]:
    """Return the skills that run."""
    return [skill.description.skill_id for skill in snapshot.skills if skill.endpoints]


def targets(snapshot: RegistrySnapshot) -> dict[str, str]:
    """Return where the first replica of each skill is reached."""
    return {skill.description.skill_id: skill.endpoints[0].target for skill in snapshot.skills if skill.endpoints}


async def call(target: str, intent: str, locale: str, *slots) -> str:
    """Call an intent; return the words of the answer."""
    turn = turn_pb2.TurnContext(turn_id="T", household_id="h1", device_id="d1", locale=locale, time_zone="Europe/Paris")
    request = skill_pb2.HandleRequest(
        turn=turn,
        intent=intent,
        idempotency_key="h1.d1.T.0",
        slots=[wire.slot(*slot) for slot in slots],
        deadline_time=wire.timestamp(datetime.now(UTC) + timedelta(seconds=5)),
    )
    async with connect(target) as channel:
        answers = [each.answer async for each in skill_pb2_grpc.SkillStub(channel).Handle(request)]
    return " ".join(prompt.text for answer in answers for prompt in answer.prompts)


async def test_skills_come_answer_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connect_as) -> None:
    """Readers with their own credentials see both skills, which answer; one that is stopped is gone within two seconds."""

    async def unreachable() -> bool:
        return False

    monkeypatch.setattr("earshot_local.open_meteo.reachable", unreachable)
    refusals: list[str] = []
    async with Stack(home=tmp_path, services=SKILLS, tracestore=False) as stack, contextlib.AsyncExitStack() as started:
        readers = {}
        for role in ("asr", "nlu", "dialogue"):
            bus = SimpleNamespace(client=await connect_as(stack, role, refusals))
            registry = SkillRegistry(bus)
            await registry.start()
            started.push_async_callback(registry.stop)
            readers[role] = registry
            if role != "dialogue":
                words = HouseholdWords(bus)
                await words.start()
                started.push_async_callback(words.stop)
                assert await words.of("h1") == ()
        await stack.ready()
        for registry in readers.values():
            await until(registry, lambda snapshot: names(snapshot) == ["clock", "weather"], 2)
        assert len({registry.snapshot.revision for registry in readers.values()}) == 1
        await _both_answer(targets(readers["dialogue"].snapshot))

        stopping = asyncio.create_task(stack.processes["weather-0"].stop())
        for registry in readers.values():
            await until(registry, lambda snapshot: names(snapshot) == ["clock"], 2)
        await stopping
    assert refusals == []


async def _both_answer(where: dict[str, str]) -> None:
    assert (await call(where["clock"], "get_time", "en-US", ("city", "Tokyo", "Tokyo"))).startswith("In Tokyo it is ")
    assert (await call(where["clock"], "get_time", "zh-CN")).startswith("现在是")
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    tomorrow = Span(start=start, end=start + timedelta(days=1), grain="day")
    paris = (("city", "Paris", "Paris"), ("date", "tomorrow", tomorrow))
    assert (await call(where["weather"], "get_forecast", "en-US", *paris)).endswith(" This is sample data.")
    assert (await call(where["weather"], "get_forecast", "zh-CN", *paris)).endswith("这是示例数据。")
    assert "London" in await call(where["weather"], "set_home", "en-US", ("city", "London", "London"))
    assert "London" in await call(where["weather"], "get_temperature", "en-US")


async def test_a_skill_writes_its_own_and_nothing_else(tmp_path: Path, connect_as) -> None:
    """The clock's credentials can register the clock and keep its state, and neither write nor read another skill's."""
    refusals: list[str] = []
    async with Stack(home=tmp_path, services=SKILLS, scale={"clock": 0, "weather": 0}, tracestore=False) as stack:
        jetstream = (await connect_as(stack, "skill-clock", refusals)).jetstream(timeout=0.3, prefix=SKILLS_API)
        for bucket in ("SKILLS", "SKILL_ENDPOINTS", "SKILL_STATES"):
            values = await jetstream.key_value(bucket)
            await values.put("clock.mine", b"x")
            assert (await values.get("clock.mine")).value == b"x"
            with pytest.raises(nats.errors.TimeoutError):
                await values.put("weather.mine", b"x")
        # What a skill can do is public; what it keeps is its own.
        with pytest.raises(nats.errors.TimeoutError):
            await values.get("weather.mine")
        words = await jetstream.key_value("HOUSEHOLD_WORDS")
        await words.put("h1.clock", b"x")
        assert (await words.get("h1.clock")).value == b"x"
        with pytest.raises(nats.errors.TimeoutError):
            await words.put("h1.weather", b"x")
        with pytest.raises(nats.errors.TimeoutError):
            await words.get("h1.weather")
    assert len(refusals) == 6
