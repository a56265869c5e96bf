"""A device, a bus and a cloud written by hand."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from earshot_device import Device, DeviceSettings, NullSink
from earshot_topology.apply import apply
from earshot_topology.subjects import DeviceAddress
from support.fake_cloud import FakeCloud
from support.nats import NatsServer, free_port

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[NatsServer]:
    """Run one nats-server with every stream for all tests; each has a device of its own on it."""
    shared = NatsServer(port=free_port(), storage=tmp_path_factory.mktemp("nats"))
    shared.start()

    async def prepare() -> None:
        await shared.ready()
        client = await shared.connect()
        await apply(client.jetstream())
        await client.close()

    asyncio.run(prepare())
    yield shared
    shared.kill()


@pytest.fixture
def address() -> DeviceAddress:
    """Return a device that no other test has."""
    return DeviceAddress("h1", f"d{next(_numbers)}")


@pytest.fixture
async def cloud(server, address) -> AsyncIterator[FakeCloud]:
    """Listen to the test's device."""
    client = await server.connect()
    fake = FakeCloud(client, address)
    await fake.start()
    yield fake
    await client.close()


@pytest.fixture
async def open_device(server, address) -> AsyncIterator[Callable]:
    """Return a function that opens the test's device; sound takes no time unless a setting says so."""
    async with AsyncExitStack() as stack:

        async def opened(*, sink=None, observe=None, **changes) -> Device:
            settings = DeviceSettings(
                **{
                    "nats_url": server.url,
                    "household_id": address.household,
                    "device_id": address.device,
                    "capture_speed": math.inf,
                    "playback_speed": math.inf,
                    "answer_timeout_s": 5.0,
                    "speech_timeout_s": 2.0,
                    **changes,
                }
            )
            return await stack.enter_async_context(Device(settings, sink=sink or NullSink(), observe=observe))

        yield opened
