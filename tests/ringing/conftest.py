"""A bus, nlu, dialogue and tts as processes; the test is the scheduler, and the device is a real one."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from earshot_device import Device
from earshot_local.plan import SERVICES
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.ringing import Ear, Scheduler
from support.stack import device

_NUMBERS = itertools.count(1)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run what ringing takes."""
    wanted = [service for service in SERVICES if service.name in {"nlu", "dialogue", "tts"}]
    async with Stack(home=tmp_path_factory.mktemp("stack"), services=wanted, tracestore=False) as running:
        await running.ready(60)
        yield running


@pytest.fixture
def address() -> DeviceAddress:
    """Return a device that no other test has."""
    return DeviceAddress("h1", f"bell{next(_NUMBERS)}")


@pytest_asyncio.fixture(loop_scope="package")
async def scheduler(stack: Stack, address: DeviceAddress) -> AsyncIterator[Scheduler]:
    """Be the scheduler of the test's device."""
    async with Scheduler.of(stack, address) as connected:
        yield connected


@pytest_asyncio.fixture(loop_scope="package")
async def switch_on(stack: Stack, address: DeviceAddress, tmp_path) -> AsyncIterator[Callable]:
    """Return a function that switches the test's device on (again); it keeps its state over that."""
    async with AsyncExitStack() as opened:

        async def on(ear: Ear | None = None, **settings: object) -> Device:
            one = device(stack, address, sink=ear or Ear(), state_file=tmp_path / "state.json", **settings)
            return await opened.enter_async_context(one)

        yield on
