from __future__ import annotations

import asyncio

import numpy as np
import pytest

from earshot.device.v1 import upstream_pb2
from earshot_device import AbandonReason
from earshot_device.errors import CredentialRefusedError
from earshot_topology.apply import apply
from support.fake_cloud import FakeCloud, sequences_in
from support.nats import NatsServer, free_port

# Questions that go unanswered before a device leaves.
PATIENCE = 5
SPEECH = (np.sin(np.arange(16_000) / 5) * 8000).astype(np.int16)


@pytest.fixture
async def server(tmp_path):
    """Run a nats-server that the test may kill; it has no streams yet."""
    own = NatsServer(port=free_port(), storage=tmp_path / "nats")
    own.start()
    await own.ready()
    yield own
    own.kill()


@pytest.fixture
async def streams(server):
    """Give the server its streams."""
    client = await server.connect()
    await apply(client.jetstream())
    await client.close()


def clustered(home) -> tuple[NatsServer, NatsServer]:
    """Return two nodes that tell their clients of one another; they are not started."""
    routes, nodes = (free_port(), free_port()), []
    for number in range(2):
        config = home / f"node-{number}.conf"
        config.write_text(
            f"server_name: node-{number}\n"
            f"cluster {{ name: pair, listen: 127.0.0.1:{routes[number]}, "
            f"routes: [nats://127.0.0.1:{routes[1 - number]}] }}\n"
        )
        nodes.append(NatsServer(port=free_port(), storage=home / f"node-{number}", config=config))
    return nodes[0], nodes[1]


async def kept_events(jetstream):
    """Return every event that the stream holds."""
    state = (await jetstream.stream_info("DEVICE_EVENTS")).state
    messages = [await jetstream.get_msg("DEVICE_EVENTS", seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return [upstream_pb2.DeviceEvent.FromString(message.data) for message in messages]


@pytest.mark.usefixtures("streams")
async def test_an_utterance_goes_on_over_a_killed_server(cloud, server, open_device):
    """After the server was killed and started again the device resumes where the capture ends, and is answered."""
    device = await open_device(capture_speed=1.0, trailing_silence_s=10.0, answer_timeout_s=8.0)
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.audio(turn, 5)
    server.kill()
    await asyncio.sleep(0.4)
    server.start()
    await server.ready()
    await cloud.until(lambda: cloud.next_sequence(turn) > 20, timeout_s=20)
    assert set(cloud.status_requests) == {turn}
    await cloud.endpoint(turn)
    await cloud.final(turn, "it went on")
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 3))
    result = await saying
    await device.settled()
    assert result.transcript == "it went on"
    assert sequences_in(result.answer) == [0, 1, 2]
    kinds = [event.WhichOneof("event") for event in await kept_events(cloud.client.jetstream())]
    assert kinds.count("connected") == 2


@pytest.mark.usefixtures("streams")
async def test_events_wait_for_the_network(cloud, server, open_device):
    """A device that loses the network apologises by itself, and tells the cloud when it is back."""
    device = await open_device(capture_speed=4.0, answer_timeout_s=0.4, maximum_utterance_s=1.0)
    saying = asyncio.create_task(device.say(SPEECH))
    await cloud.turn_started()
    server.kill()
    result = await saying
    assert result.abandoned is AbandonReason.NETWORK_LOST
    server.start()
    await server.ready()
    await device.settled()
    stored = await kept_events(cloud.client.jetstream())
    abandoned = next(event for event in stored if event.WhichOneof("event") == "turn_abandoned")
    assert abandoned.turn_abandoned.reason == "network_lost"
    assert abandoned.turn_id == result.turn_id


async def test_a_start_is_repeated_until_a_stream_has_it(cloud, open_device):
    """An utterance that began before the streams were there is stored as soon as they are, once."""
    device = await open_device()
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await asyncio.sleep(0.3)
    jetstream = cloud.client.jetstream()
    await apply(jetstream)
    await cloud.until(lambda: len(cloud.starts) > 1)
    await asyncio.sleep(0.5)
    assert (await jetstream.stream_info("UTTERANCES")).state.messages == 1
    assert {start.turn_id for start, _ in cloud.starts} == {turn}
    await cloud.outcome(turn, text="")
    await saying


async def test_a_refused_credential_is_told_at_once(tmp_path, open_device):
    """A server that refuses the device is one error, without waiting for the connection's time limit."""
    config = tmp_path / "nats.conf"
    config.write_text("authorization { token: nobody-knows }\n")
    guarded = NatsServer(port=free_port(), storage=tmp_path / "guarded", config=config)
    guarded.start()
    try:
        await guarded.ready()
        async with asyncio.timeout(10):
            with pytest.raises(CredentialRefusedError):
                await open_device(nats_url=guarded.url, connect_timeout_s=30)
    finally:
        guarded.kill()


@pytest.mark.parametrize(("content", "code"), [(None, "credential_missing"), ("no credential", "credential_refused")])
async def test_a_bad_credentials_file_is_told_at_once(tmp_path, open_device, content, code):
    """A file that is missing or holds no credential is one error, with its own code."""
    config, credentials = tmp_path / "nats.conf", tmp_path / "device.creds"
    config.write_text("authorization { token: nobody-knows }\n")
    if content is not None:
        credentials.write_text(content)
    guarded = NatsServer(port=free_port(), storage=tmp_path / "guarded", config=config)
    guarded.start()
    try:
        await guarded.ready()
        async with asyncio.timeout(10):
            with pytest.raises(CredentialRefusedError) as caught:
                await open_device(nats_url=guarded.url, connect_timeout_s=30, credentials=credentials)
    finally:
        guarded.kill()
    assert caught.value.code == code


@pytest.mark.usefixtures("streams")
async def test_a_connection_that_the_server_ends_with_an_error_is_opened_anew(cloud, open_device):
    """nats-py gives up for good on a server's -ERR; the same device connects again and its next turn is answered."""
    device = await open_device()
    first = device._link._client
    await first._send_command(b"NO SUCH OPERATION\r\n")
    await first._flush_pending()
    async with asyncio.timeout(20):
        while not (first.is_closed and device.connected):
            await asyncio.sleep(0.02)
    assert device._link._client is not first
    saying = asyncio.create_task(device.say(SPEECH))
    turn = await cloud.turn_started()
    await cloud.endpoint(turn)
    await cloud.final(turn, "it is back")
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 3))
    result = await saying
    assert result.transcript == "it is back"
    assert sequences_in(result.answer) == [0, 1, 2]


async def test_a_server_at_which_nobody_answers_is_left_for_another_one(cloud, server, address, open_device, tmp_path):
    """The connection stands, and the cloud is elsewhere: a turn that is not answered makes the device doubt.

    Nothing tells a node that was parted from the others from one whose cloud is gone, but that another one has it.
    """
    lonely = NatsServer(port=free_port(), storage=tmp_path / "lonely")
    lonely.start()
    await lonely.ready()
    client = await lonely.connect()
    await apply(client.jetstream())
    here = FakeCloud(client, address)
    await here.start()
    server.kill()
    device = await open_device(nats_url=f"{lonely.url},{server.url}", answer_timeout_s=0.4)
    await here.until(lambda: here.missed_requests >= 2)
    server.start()
    await server.ready()
    await apply(cloud.client.jetstream())
    await client.close()
    assert (await device.say(SPEECH[:1600])).abandoned is AbandonReason.CLOUD_TIMEOUT
    await cloud.until(lambda: cloud.missed_requests >= 2, timeout_s=40)
    saying = asyncio.create_task(device.say(SPEECH[:1600]))
    turn = await cloud.turn_started()
    await cloud.outcome(turn)
    await cloud.speak(cloud.speech(turn, 3))
    assert (await saying).abandoned is None
    lonely.kill()


async def test_a_server_whose_cloud_can_not_reach_the_streams_is_left(cloud, server, address, open_device, tmp_path):
    """A replica at a parted node refuses, because the streams have no leader there: the device goes to the other node."""
    lonely = NatsServer(port=free_port(), storage=tmp_path / "lonely")
    lonely.start()
    try:
        await lonely.ready()
        client = await lonely.connect()
        here = FakeCloud(client, address)
        here.refuses_missed = "bus_unavailable"
        await here.start()
        server.kill()
        await open_device(nats_url=f"{lonely.url},{server.url}")
        await here.until(lambda: here.missed_requests >= 1)
        server.start()
        await server.ready()
        await apply(cloud.client.jetstream())
        await cloud.until(lambda: cloud.missed_requests >= 2, timeout_s=40)
        assert here.missed_requests >= PATIENCE
        await client.close()
    finally:
        lonely.kill()


async def test_a_device_with_one_address_leaves_for_a_node_that_it_was_told_of(address, open_device, tmp_path):
    """The node it knows tells of its peer and is parted from it then; nobody answers there, so the device goes to the peer."""
    known, peer = clustered(tmp_path)
    try:
        for node in (known, peer):
            node.start()
            await node.ready()
        device = await open_device(nats_url=known.url)
        first = device._link._client
        async with asyncio.timeout(30):
            while len(first.servers) < 2:
                await asyncio.sleep(0.02)
        peer.kill()
        apart = NatsServer(port=peer.port, storage=tmp_path / "apart")
        peer = apart
        apart.start()
        await apart.ready()
        client = await apart.connect()
        await apply(client.jetstream())
        cloud = FakeCloud(client, address)
        await cloud.start()
        await cloud.until(lambda: cloud.missed_requests >= 2, timeout_s=40)
        assert device._link._client is first
        assert first.stats["reconnects"] == 1
        await device.settled()
        await client.close()
    finally:
        known.kill()
        peer.kill()
