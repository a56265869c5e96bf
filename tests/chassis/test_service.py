"""A service as a process: health, metrics, traces in its logs, drain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.nats import NatsServer, nats_server
from support.small_service import TRACE, interpreted, publish, running


@pytest.fixture
async def server(tmp_path: Path):
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path) as started:
        yield started


async def test_sigterm_finishes_the_turn_in_progress(server: NatsServer) -> None:
    """SIGTERM: readiness goes, the turn in progress is finished, the process ends with 0 well within the grace time."""
    with running(server) as service:
        await service.until("/readyz", 200)
        await publish(server, "t1", delay="2")
        await asyncio.sleep(0.5)
        service.process.send_signal(signal.SIGTERM)
        assert "draining" in await service.until("/readyz", 503, 1)
        began = time.monotonic()
        code = await asyncio.to_thread(service.process.wait, 10)
        assert (code, time.monotonic() - began < 6) == (0, True)
        assert await interpreted(server) == 1


async def test_metrics_and_logs_tell_what_happened(server: NatsServer) -> None:
    """/metrics counts handled and parked messages; a log line of a turn carries its trace id and no payload."""
    with running(server) as service:
        await service.until("/readyz", 200)
        assert (await asyncio.to_thread(service.get, "/nothing"))[0] == 404
        assert (await asyncio.to_thread(service.get, "/livez"))[0] == 200
        await publish(server, "t1")
        await publish(server, "t2", delay="nonsense")
        async with asyncio.timeout(30):
            while "earshot_message_redeliveries_total" not in (metrics := (await service.until("/metrics", 200))):
                await asyncio.sleep(0.1)
        assert 'earshot_message_duration_seconds_count{consumer="nlu"' in metrics
        service.process.send_signal(signal.SIGTERM)
        output, _ = await asyncio.to_thread(service.process.communicate, timeout=15)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    crashed = [line for line in lines if line["event"] == "handler_crashed"]
    assert crashed
    assert all(line["trace_id"] == TRACE for line in crashed)
    assert {line["event"] for line in lines} >= {"started", "stopped"}


async def test_service_waits_for_the_bus(server: NatsServer) -> None:
    """A service that starts before the bus becomes ready when the bus is there; it ends on SIGTERM in either case."""
    server.kill()
    with running(server) as service:
        await service.until("/readyz", 503)
        server.start()
        await server.ready()
        await service.until("/readyz", 200, 15)
    server.kill()
    with running(server) as service:
        await service.until("/readyz", 503)
        service.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(service.process.wait, 5) == 0


async def test_readiness_follows_the_bus(server: NatsServer) -> None:
    """A service without its bus is not ready, and is again when the bus is back."""
    with running(server) as service:
        await service.until("/readyz", 200)
        server.kill()
        await service.until("/readyz", 503, 8)
        server.start()
        await service.until("/readyz", 200, 10)


@contextlib.asynccontextmanager
async def hanging_up(server: NatsServer) -> AsyncIterator[tuple[NatsServer, list[asyncio.StreamWriter]]]:
    """Yield a way to the server and its clients' ends: a word written to one is the server's."""
    clients: list[asyncio.StreamWriter] = []
    tasks: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", server.port)
        clients.append(writer)
        ways = [asyncio.create_task(copy(reader, there[1])), asyncio.create_task(copy(there[0], writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (writer, there[1]):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(connection(reader, writer)))

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield NatsServer(port, server.storage), clients
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("which", [0, 1], ids=["bus", "handlers"])
async def test_service_ends_when_the_server_hangs_up_for_good(server: NatsServer, which: int) -> None:
    """nats-py never comes back from a server's own error: the process ends, so that its supervisor makes a new one."""
    async with hanging_up(server) as (way, clients):
        with running(way) as service:
            await service.until("/readyz", 200)
            clients[which].write(b"-ERR 'User Authentication Expired'\r\n")
            assert await asyncio.to_thread(service.process.wait, 15) == 1
