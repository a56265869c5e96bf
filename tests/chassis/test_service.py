"""A service as a process: health, metrics, traces in its logs, drain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from earshot.nlu.v1 import interpreter_pb2, interpreter_pb2_grpc
from earshot_chassis.rpc_client import connect
from support.nats import NatsServer, free_port, nats_server
from support.small_service import COMMAND, FOLDER, TRACE, interpreted, publish, running


@pytest.fixture
async def server(tmp_path: Path):
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path) as started:
        yield started


async def test_sigterm_finishes_the_turn_in_progress(server: NatsServer, tmp_path: Path) -> None:
    """SIGTERM: readiness goes, the turn in progress is finished, the process ends with 0 well within the grace time."""
    with running(server, EARSHOT_DRAIN_TIMEOUT_S="40") as service:
        await service.until("/readyz", 200)
        await publish(server, "t1", delay=str(folder := tmp_path / "turn"))
        async with asyncio.timeout(20):
            while not folder.exists():
                await asyncio.sleep(0.02)
        service.process.send_signal(signal.SIGTERM)
        assert "draining" in await service.until("/readyz", 503, 20)
        # As long as a turn may well take.
        await asyncio.sleep(1.5)
        assert (service.process.poll(), await interpreted(server)) == (None, 0)
        began = time.monotonic()
        (folder / "go").touch()
        code = await asyncio.to_thread(service.process.wait, 20)
        assert (code, time.monotonic() - began < 15) == (0, True)
        assert await interpreted(server) == 1


async def test_sigterm_again_and_again_changes_nothing(server: NatsServer) -> None:
    """Until the process is gone, its very last moments included: it ends by itself with 0."""
    with running(server) as service:
        await service.until("/readyz", 200)
        async with asyncio.timeout(20):
            while service.process.poll() is None:
                service.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.001)
        assert service.process.returncode == 0


async def test_a_draining_service_is_unready_before_it_takes_no_more_work(server: NatsServer) -> None:
    """Its leave hooks run while it already says so and still handles what comes; one that never ends costs its time."""
    with running(server, SMALL_SERVICE_HANGS="leave", EARSHOT_DRAIN_TIMEOUT_S="8") as service:
        await service.until("/readyz", 200)
        service.process.send_signal(signal.SIGTERM)
        assert "draining" in await service.until("/readyz", 503, 7)
        await publish(server, "t1")
        async with asyncio.timeout(7.8):
            while not await interpreted(server):
                await asyncio.sleep(0.05)
        assert "draining" in await service.until("/readyz", 503, 7)
        service.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(service.process.wait, 20) == 0


async def ask_again_if_cancelled(stub: interpreter_pb2_grpc.InterpreterAsyncStub) -> None:
    """Call as our callers do: one that comes in the moment in which the server stops is CANCELLED by grpc, and asked again."""
    try:
        await stub.Interpret(interpreter_pb2.InterpretRequest())
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.CANCELLED:
            raise


async def test_a_call_in_progress_ends_before_what_it_needs_is_stopped(server: NatsServer, tmp_path: Path) -> None:
    """SIGTERM: a call that takes long is answered, new ones are refused at once, and stop hooks come after it."""
    port, folder = free_port(), tmp_path / "call"
    with running(server, EARSHOT_GRPC_PORT=str(port), EARSHOT_DRAIN_TIMEOUT_S="40") as service:
        await service.until("/readyz", 200)
        async with connect(f"127.0.0.1:{port}", default_timeout_s=60) as first, connect(f"127.0.0.1:{port}") as second:
            request = interpreter_pb2.InterpretRequest(locale=str(folder))
            call = asyncio.ensure_future(interpreter_pb2_grpc.InterpreterStub(first).Interpret(request))
            async with asyncio.timeout(20):
                while not folder.exists():
                    await asyncio.sleep(0.02)
            service.process.send_signal(signal.SIGTERM)
            assert "draining" in await service.until("/readyz", 503, 20)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                async with asyncio.timeout(20):
                    while True:
                        await ask_again_if_cancelled(interpreter_pb2_grpc.InterpreterStub(second))
                        await asyncio.sleep(0.1)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert not call.done()
            (folder / "go").touch()
            assert (await call).registry_revision == 1
        assert await asyncio.to_thread(service.process.wait, 20) == 0


@pytest.mark.parametrize("hanging", ["start", "stop"])
async def test_sigterm_is_obeyed_whatever_hangs(server: NatsServer, hanging: str) -> None:
    """A start that waits for something for ever is broken off, a stop hook that never ends is left: the exit is in time."""
    with running(server, SMALL_SERVICE_HANGS=hanging, EARSHOT_DRAIN_TIMEOUT_S="1") as service:
        await service.until("/readyz", 503 if hanging == "start" else 200)
        service.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(service.process.wait, 10) == 0
        assert service.process.stdout is not None
        last = [json.loads(line) for line in service.process.stdout if line.startswith("{")]
    assert last[-1]["event"] == "stopped"
    assert [line["event"] for line in last if line["event"] == "hook_failed"] == ["hook_failed"] * (hanging == "stop")


async def test_a_turn_longer_than_the_drain_is_handed_over_at_once(server: NatsServer) -> None:
    """It is given back when its time is over, not left for its ack wait to run out, and nothing is logged as an error."""
    client = await server.connect()
    given_back = await client.subscribe("$JS.ACK.TURNS.nlu.>")
    with running(server, EARSHOT_DRAIN_TIMEOUT_S="1.5") as service:
        await service.until("/readyz", 200)
        await publish(server, "t1", delay="30")
        async with asyncio.timeout(10):
            while not (await client.jetstream().consumer_info("TURNS", "nlu")).num_ack_pending:
                await asyncio.sleep(0.05)
        service.process.send_signal(signal.SIGTERM)
        output, _ = await asyncio.to_thread(service.process.communicate, timeout=10)
        assert service.process.returncode == 0
    said = [await given_back.next_msg(1) for _ in range(given_back.pending_msgs)]
    assert [message.data for message in said if not message.data.startswith(b"+WPI")] == [b"-NAK"]
    assert "error" not in {json.loads(line)["level"] for line in output.splitlines() if line.startswith("{")}
    subscription = await client.jetstream().pull_subscribe_bind("nlu", "TURNS")
    [given] = await subscription.fetch(1, timeout=2)
    assert given.metadata.num_delivered == 2
    await client.close()


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
        assert re.search(r"^earshot_process_tasks(\{.*\})? [1-9]", metrics, re.MULTILINE)
        assert re.search(r"^process_open_fds [1-9]", metrics, re.MULTILINE)
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


async def test_a_service_that_can_do_without_the_bus_does_not_wait_for_it(server: NatsServer) -> None:
    """It composes and answers calls, not ready; when the bus comes, it is ready, and its hooks are told."""
    server.kill()
    with running(server, SMALL_SERVICE_WAITS="", EARSHOT_GRPC_PORT=str(port := free_port())) as service:
        await service.until("/readyz", 503, reason="not connected")
        async with connect(f"127.0.0.1:{port}", default_timeout_s=10) as channel:
            stub = interpreter_pb2_grpc.InterpreterStub(channel)
            await stub.Interpret(interpreter_pb2.InterpretRequest(), wait_for_ready=True)
        server.start()
        await service.until("/readyz", 200)
        service.process.send_signal(signal.SIGTERM)
        output, _ = await asyncio.to_thread(service.process.communicate, timeout=15)
    events = [json.loads(line)["event"] for line in output.splitlines() if line.startswith("{")]
    assert events.index("started") < events.index("joined")
    server.kill()
    with running(server, SMALL_SERVICE_WAITS="") as service:
        await service.until("/readyz", 503, reason="not connected")
        service.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(service.process.wait, 10) == 0


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


async def test_a_missing_credentials_file_is_one_line(tmp_path: Path) -> None:
    """Nobody waits for a file that does not come: the process ends, and says which."""
    environment = {
        **os.environ,
        "PYTHONPATH": FOLDER,
        "EARSHOT_NATS_CREDENTIALS": str(tmp_path / "nlu.creds"),
        "OTEL_TRACES_EXPORTER": "none",
    }
    process = await asyncio.create_subprocess_exec(*COMMAND, env=environment, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        _, told = await process.communicate()
    assert process.returncode == 1
    assert told.decode().splitlines() == [
        "nlu: credentials_missing: there is no file nlu.creds, which is to hold its credentials"
    ]
