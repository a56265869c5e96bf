"""A scheduler on a real bus, shared by a module's tests: each test has a household of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.nats import NatsServer, nats_server
from support.schedulers import Directives, Home, Replica, scheduler_on


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replica(server: NatsServer) -> AsyncIterator[Replica]:
    """Run a scheduler."""
    async with scheduler_on(server, household_limit=5, household_records=12) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def directives(server: NatsServer) -> AsyncIterator[Directives]:
    """Hear what devices are told."""
    client = await server.connect()
    yield await Directives.of(client)
    await client.close()


@pytest.fixture
def home(replica: Replica) -> Home:
    """Return a household that has set nothing yet."""
    return Home(replica.stub)
