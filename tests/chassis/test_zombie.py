"""A process that was frozen for longer than its lease settles nothing: the message is another one's by then."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path

import pytest
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError

from earshot_chassis.consuming import Lease
from earshot_chassis.errors import LeaseLostError
from earshot_topology.streams import NLU_TRANSCRIBED
from support.nats import NatsServer, nats_server
from support.small_service import interpreted, publish, running


@pytest.fixture
async def server(tmp_path: Path):
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path) as started:
        yield started


async def taken_over(server: NatsServer):
    """Take the next message as another worker would; return it with its client."""
    client = await server.connect()
    subscription = await client.jetstream().pull_subscribe_bind(NLU_TRANSCRIBED.durable, NLU_TRANSCRIBED.stream)
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(NatsTimeoutError):
                [message] = await subscription.fetch(1, timeout=0.5)
                return client, message


async def test_a_zombie_does_not_settle_what_another_worker_has(server: NatsServer, tmp_path: Path) -> None:
    """Frozen in the middle of its work, then awake: its message is still pending for the worker that has it now."""
    with running(server) as service:
        await service.until("/readyz", 200)
        await publish(server, "t1", delay=str(folder := tmp_path / "turn"))
        async with asyncio.timeout(20):
            while not folder.exists():
                await asyncio.sleep(0.02)
        service.process.send_signal(signal.SIGSTOP)
        (folder / "go").touch()
        client, message = await taken_over(server)
        assert message.metadata.num_delivered == 2
        service.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(10):
            while "earshot_message_leases_lost_total" not in await service.until("/metrics", 200):
                await message.in_progress()
                await asyncio.sleep(0.1)
        info = await client.jetstream().consumer_info(NLU_TRANSCRIBED.stream, NLU_TRANSCRIBED.durable)
        assert info.num_ack_pending == 1
        await message.ack_sync()
        await client.close()
    assert await interpreted(server) == 1


async def test_a_frozen_process_is_not_given_its_own_message_again(server: NatsServer) -> None:
    """Its other loop's request is as young as can be when it freezes, and yet is over when the message is due again."""
    client = await server.connect()
    asked = await client.subscribe(f"$JS.API.CONSUMER.MSG.NEXT.{NLU_TRANSCRIBED.stream}.{NLU_TRANSCRIBED.durable}")
    renewed_at = 0.0

    async def renewed(_message: Msg) -> None:
        nonlocal renewed_at
        renewed_at = time.monotonic()

    await client.subscribe(f"$JS.ACK.{NLU_TRANSCRIBED.stream}.{NLU_TRANSCRIBED.durable}.>", cb=renewed)
    await client.flush()
    with running(server) as service:
        await service.until("/readyz", 200)
        await publish(server, "t1", delay="30")
        async with asyncio.timeout(20):
            # Renewed long ago, the message is due again soon after the freeze.
            while not renewed_at or time.monotonic() - renewed_at < 0.2 * NLU_TRANSCRIBED.ack_wait_s:
                await asked.next_msg(timeout=10)
        service.process.send_signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        await asyncio.sleep(NLU_TRANSCRIBED.ack_wait_s * 1.2 - (time.monotonic() - renewed_at))
        heir, message = await taken_over(server)
        assert message.metadata.num_delivered == 2, f"renewed {frozen_at - renewed_at:.2f} s before the freeze"
        service.process.kill()
        await message.ack_sync()
        await heir.close()
    await client.close()


async def test_the_server_takes_an_old_deliverys_word(server: NatsServer) -> None:
    """Why a zombie must be silent: the acknowledgement of an earlier delivery settles the message for everybody."""
    await publish(server, "t1")
    first_client, first = await taken_over(server)
    second_client, second = await taken_over(server)
    assert (first.metadata.num_delivered, second.metadata.num_delivered) == (1, 2)
    await first.ack_sync()
    info = await second_client.jetstream().consumer_info(NLU_TRANSCRIBED.stream, NLU_TRANSCRIBED.durable)
    assert info.num_ack_pending == 0
    await first_client.close()
    await second_client.close()


def test_a_lease_that_is_lost_stays_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewing in time keeps it; a renewal that comes too late does not bring it back."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lease = Lease(1.5)
    for _ in range(3):
        now[0] += 1.4
        assert not lease.lost
        lease.renewed()
    now[0] += 1.6
    assert lease.lost
    lease.renewed()
    assert lease.lost
    assert LeaseLostError("x").retryable
