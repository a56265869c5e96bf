"""Turns decided over a real bus, by real gRPC calls to a scripted skill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from earshot.dialogue.v1 import outcome_pb2
from support.dialogues import Replica, context, dialogue_on, hypothesis
from support.fake_skill import FakeSkill, fake_skill, weather
from support.nats import NatsServer, nats_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with nats_server(tmp_path) as running:
        yield running


@pytest.fixture
async def skill() -> AsyncIterator[FakeSkill]:
    async with fake_skill(weather()) as running:
        yield running


@pytest.fixture
async def replica(server: NatsServer, skill: FakeSkill) -> AsyncIterator[Replica]:
    async with dialogue_on(server) as running:
        await running.follow(skill)
        yield running


async def test_a_turn_is_answered_by_the_skill_that_owns_its_intent(replica: Replica, skill: FakeSkill) -> None:
    """A hypothesis with all its slots is fulfilled, and the outcome tells who did and where to speak."""
    turn = context()
    await replica.interpreted(turn, hypothesis("weather.get_forecast", city="Paris"))
    (outcome,) = await replica.outcome(turn.turn_id)
    assert outcome.kind == outcome_pb2.OUTCOME_KIND_ANSWERED
    assert [prompt.text for prompt in outcome.prompts] == ["It is sunny in Paris."]
    assert [directive.WhichOneof("command") for directive in outcome.directives] == ["speak"]
    assert outcome.directives[0].directive_id == f"{turn.turn_id}.0"
    assert (outcome.intent, outcome.skill_id, outcome.skill_version) == ("weather.get_forecast", "weather", "1.0.0")
    assert skill.calls[0].idempotency_key == f"{turn.turn_id}.0"
    session = await replica.settled(turn.turn_id)
    assert session.revision == outcome.session_revision == 1
