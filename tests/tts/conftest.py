"""A bus for the tests of speech."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.nats import NatsServer, nats_server
from support.speaking import Stage, speech_worker


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
