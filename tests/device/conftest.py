"""A device, a bus and a cloud written by hand."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from earshot_device import Device, DeviceSettings, NullSink
from earshot_topology.subjects import DeviceAddress
from support.fake_cloud import FakeCloud
from support.nats import NatsServer, nats_server

ADDRESS = DeviceAddress("h1", "d1")


@pytest.fixture
async def server(tmp_path) -> AsyncIterator[NatsServer]:
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path / "nats") as running:
        yield running


@pytest.fixture
async def cloud(server) -> AsyncIterator[FakeCloud]:
    """Listen to device h1/d1."""
    client = await server.connect()
    fake = FakeCloud(client, ADDRESS)
    await fake.start()
    yield fake
    await client.close()


@pytest.fixture
async def open_device(server) -> AsyncIterator[Callable]:
    """Return a function that opens a device; sound takes no time unless a setting says so."""
    async with AsyncExitStack() as stack:

        async def opened(*, sink=None, observe=None, **changes) -> Device:
            settings = DeviceSettings(
                **{
                    "nats_url": server.url,
                    "household_id": ADDRESS.household,
                    "device_id": ADDRESS.device,
                    "capture_speed": math.inf,
                    "playback_speed": math.inf,
                    "answer_timeout_s": 5.0,
                    "speech_timeout_s": 2.0,
                    **changes,
                }
            )
            return await stack.enter_async_context(Device(settings, sink=sink or NullSink(), observe=observe))

        yield opened
