"""A bus for the tests of speech."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.nats import NatsServer, nats_server
from support.speaking import Stage, speech_worker


@pytest.fixture(autouse=True, scope="session")
def quick_stops() -> Iterator[None]:
    """Let an idle worker stop at once: it is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("earshot_chassis.bus._FETCH_S", 0.1)
        yield


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path / "nats") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Run one speech worker for all tests of a module; each of them takes a device of its own."""
    async with nats_server(tmp_path_factory.mktemp("nats")) as running, speech_worker(running):
        yield Stage(server=running)
