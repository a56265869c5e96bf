"""One stack for all tests of outages: one replica of each service, so that what is gone is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from chaos.history import History
from chaos.system import SERVICES, stack
from outages.homes import DEADLINE_S, Outages

_SERVICES = [service for service in SERVICES if service.name in {"asr", "nlu", "dialogue", "tts", "echo"}]
_DEADLINES = {"EARSHOT_ASR_DEADLINE_S": str(DEADLINE_S), "EARSHOT_DIALOGUE_ANSWER_WITHIN_S": str(DEADLINE_S)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests in one event loop, the stack's."""
    for item in items:
        if "/outages/" in str(item.path) and isinstance(item, pytest.Function):
            item.add_marker(pytest.mark.asyncio(loop_scope="package"), append=False)
            # nats-py leaves connections that failed in their first words to the garbage collector.
            item.add_marker(pytest.mark.filterwarnings("ignore:.*StreamWriter:pytest.PytestUnraisableExceptionWarning"))


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def outages(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Outages]:
    """Run the services of a spoken turn."""
    folder = tmp_path_factory.mktemp("outages")
    async with stack(folder, services=_SERVICES, environment=_DEADLINES, replicas=1) as running:
        await running.ready(60)
        history = await History.of(running.nats_url, str(running.creds("admin")))
        yield Outages(running, history)
        await history.close()
