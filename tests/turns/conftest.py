"""One stack for all tests of turns: every service twice, so that nothing rests on a replica's memory."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from earshot_local.plan import SERVICES
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.spans import exported_to

_NUMBERS = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests in one event loop, the stack's."""
    for item in items:
        if "/turns/" in str(item.path) and isinstance(item, pytest.Function):
            item.add_marker(pytest.mark.asyncio(loop_scope="package"), append=False)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run everything, two replicas of every service."""
    home = tmp_path_factory.mktemp("stack")
    scale = {service.name: 2 for service in SERVICES}
    async with Stack(home=home, scale=scale) as running:
        await running.ready(60)
        for _ in exported_to(running.otlp_endpoint):
            yield running


@pytest.fixture
def address() -> DeviceAddress:
    """Return a device that has not said anything yet, in a household of its own."""
    number = next(_NUMBERS)
    return DeviceAddress(f"home{number}", f"device{number}")
