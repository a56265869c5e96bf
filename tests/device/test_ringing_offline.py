from __future__ import annotations

import asyncio

import pytest

from earshot.device.v1 import directive_pb2, upstream_pb2
from earshot_device import NullSink
from earshot_topology.apply import apply
from support.nats import NatsServer, free_port

SLOW = 20.0


@pytest.fixture
async def server(tmp_path):
    """Run a nats-server with every stream that the test may kill."""
    own = NatsServer(port=free_port(), storage=tmp_path / "nats")
    own.start()
    await own.ready()
    client = await own.connect()
    await apply(client.jetstream())
    await client.close()
    yield own
    own.kill()


async def told(cloud) -> list[str]:
    """Return the dismissals that the stream holds, in order."""
    jetstream = cloud.client.jetstream()
    state = (await jetstream.stream_info("DEVICE_EVENTS")).state
    found = [await jetstream.get_msg("DEVICE_EVENTS", seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return [
        upstream_pb2.DeviceEvent.FromString(message.data).ring_dismissed.occurrence_id
        for message in found
        if message.subject == cloud.address.ring()
    ]


async def test_a_ring_that_is_dismissed_offline_is_told_later(cloud, server, open_device, tmp_path):
    """The button works without a network; the stream has it when the network is back, once and in order."""
    sink, state = NullSink(), tmp_path / "state.json"
    device = await open_device(sink=sink, playback_speed=SLOW, state_file=state)
    for name in "abc":
        ring = directive_pb2.Ring(occurrence_id=name)
        await cloud.direct(directive_pb2.Directive(directive_id=f"ring.{name}", ring=ring))
    await cloud.event("directive_acknowledged", 3)
    server.kill()
    async with asyncio.timeout(2):
        assert await device.dismiss("b") == ("b",)
        assert await device.dismiss() == ("a", "c")
    silent = sink.sample_count
    server.start()
    await server.ready()
    await device.settled(20)
    assert sink.sample_count == silent
    assert await told(cloud) == ["b", "a", "c"]


async def test_a_dismissal_outlives_a_restart_without_network(cloud, server, open_device, tmp_path):
    """A device that is switched off before it could tell tells it at its next boot, and then no more."""
    state = tmp_path / "state.json"
    device = await open_device(playback_speed=SLOW, state_file=state)
    ring = directive_pb2.Directive(directive_id="ring.a", ring=directive_pb2.Ring(occurrence_id="a"))
    await cloud.direct(ring)
    await cloud.event("directive_acknowledged")
    server.kill()
    await device.dismiss()
    await device.__aexit__(None, None, None)
    server.start()
    await server.ready()
    async with asyncio.timeout(20):
        while not cloud.client.is_connected:
            await asyncio.sleep(0.01)
    for _ in range(2):
        again = await open_device(playback_speed=SLOW, state_file=state)
        assert again.ringing == ()
        await again.settled()
        await again.__aexit__(None, None, None)
    assert await told(cloud) == ["a"]
