"""A dialogue on a real bus, shared by a module's tests: each test has a device of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.dialogues import Place, Replica, dialogue_on
from support.fake_skill import FakeSkill, fake_skill, sunny, weather
from support.nats import NatsServer, nats_server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replica(server: NatsServer) -> AsyncIterator[Replica]:
    """Run a dialogue behind a fake NLU."""
    async with dialogue_on(server, nlu=True) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def skill(replica: Replica) -> AsyncIterator[FakeSkill]:
    """Run the weather skill, known to the dialogue."""
    async with fake_skill(weather(), sunny) as running:
        await replica.follow(running)
        yield running
        await replica.follow()


@pytest.fixture
def place(replica: Replica) -> Place:
    """Return a device that has not said anything yet."""
    return Place(replica)
