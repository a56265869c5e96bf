"""A bus without room, a listener that does not read, a server that says nothing: told with a code, and ridden out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nats.aio.subscription import DEFAULT_SUB_PENDING_MSGS_LIMIT
from structlog.testing import capture_logs

from earshot.asr.v1 import events_pb2
from earshot_chassis.bus import Bus
from earshot_chassis.errors import OverloadedError, RetryableError
from earshot_chassis.settings import ServiceSettings
from support.nats import NatsServer, free_port, nats_server
from support.small_service import interpreted, publish, running

SUBJECT = "turn.transcribed"


@contextlib.asynccontextmanager
async def bus_on(*servers: NatsServer) -> AsyncIterator[Bus]:
    """Connect a service's bus."""
    bus = Bus("nlu", ServiceSettings(nats_url=",".join(server.url for server in servers)))
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()


@contextlib.asynccontextmanager
async def limited(folder: Path, **limits: int) -> AsyncIterator[NatsServer]:
    """Run a server with limits of its own and without streams."""
    config = folder / "limited.conf"
    lines = "\n".join(f"  {name}: {value}" for name, value in limits.items())
    config.write_text(f"jetstream {{\n{lines}\n}}\n")
    server = NatsServer(port=free_port(), storage=folder, config=config)
    server.start()
    try:
        await server.ready()
        yield server
    finally:
        server.kill()


def turn(kilobytes: int = 0) -> events_pb2.TurnTranscribed:
    """Return an event that takes so much room."""
    event = events_pb2.TurnTranscribed()
    event.turn.turn_id = "t" * (kilobytes * 1024)
    return event


async def until_refused(bus: Bus) -> None:
    """Store events until there is no room."""
    with pytest.raises(OverloadedError) as refused:
        for _ in range(1000):
            await bus.publish(SUBJECT, turn(20), retry_for_s=0.3)
    assert (refused.value.code, refused.value.retryable) == ("storage_full", True)


async def test_a_stream_without_room_is_told_and_waited_for(tmp_path: Path) -> None:
    """A full stream is no reason to give a message up: it is stored when there is room again."""
    async with nats_server(tmp_path) as server, bus_on(server) as bus:
        config = (await bus.jetstream.stream_info("TURNS")).config
        await bus.jetstream.update_stream(replace(config, max_bytes=100_000))
        assert await bus.ready() == ""
        await until_refused(bus)
        assert await bus.ready() == "the bus has no room to store anything"
        waiting = asyncio.create_task(bus.publish(SUBJECT, turn(20)))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await bus.jetstream.purge_stream("TURNS")
        assert (await waiting).stream == "TURNS"
        assert await bus.ready() == ""


@pytest.mark.parametrize("limit", ["max_file_store", "max_memory_store"])
async def test_a_server_without_room_is_told(tmp_path: Path, limit: str) -> None:
    """The server's own limit, of memory or disk, reached by streams that have none: what reads goes on meanwhile."""
    limits = {"max_file_store": 64 << 20, "max_memory_store": 64 << 20} | {limit: 1 << 20}
    async with limited(tmp_path, **limits) as server, bus_on(server) as bus:
        storage = "memory" if limit == "max_memory_store" else "file"
        await bus.jetstream.add_stream(name="TURNS", subjects=[SUBJECT], storage=storage)
        await until_refused(bus)
        held = await bus.jetstream.get_msg("TURNS", seq=1)
        assert len(held.data or b"") > 20_000
        await bus.jetstream.purge_stream("TURNS")
        assert (await bus.publish(SUBJECT, turn(20))).sequence > 1
        assert await bus.ready() == ""


async def test_a_service_on_a_full_stream_stays_and_works_on(tmp_path: Path) -> None:
    """The process lives, its readiness says why nothing moves, and no turn is lost."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        jetstream = client.jetstream()
        config = (await jetstream.stream_info("TURNS")).config
        for number in range(3):
            await publish(server, f"t{number}")
        # Full: what comes of a turn needs room beside it.
        await jetstream.update_stream(replace(config, max_msgs=3))
        with running(server) as service:
            await service.until("/readyz", 200)
            assert "no room" in await service.until("/readyz", 503)
            assert service.process.poll() is None
            await jetstream.update_stream(config)
            async with asyncio.timeout(30):
                while await interpreted(server) < 3:
                    await asyncio.sleep(0.1)
            await service.until("/readyz", 200)
        await client.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if not (mount and unmount) or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run([unmount, "-l", str(folder)], check=True)


async def test_a_full_disk_is_ridden_out(small_disk: Path) -> None:
    """No acknowledgement, so no message is believed to be stored; with room again and the server restarted, all go on.

    nats-server stops writing to a stream whose file it could not write until it is started again.
    """
    async with limited(small_disk, max_file_store=1 << 30) as server, bus_on(server) as bus:
        await bus.jetstream.add_stream(name="TURNS", subjects=[SUBJECT])
        await bus.publish(SUBJECT, turn())
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        stored = 1
        with pytest.raises(RetryableError) as refused:
            for _ in range(100):
                await bus.publish(SUBJECT, turn(20), retry_for_s=0.5)
                stored += 1
        assert refused.value.code in {"bus_unavailable", "storage_full"}
        waiting = asyncio.create_task(bus.publish(SUBJECT, turn(), retry_for_s=60))
        filler.unlink()
        server.kill()
        server.start()
        await waiting
        messages = (await bus.jetstream.stream_info("TURNS")).state.messages
        # What was never acknowledged may be there all the same: at least once.
        assert messages >= stored + 1


async def test_a_listener_that_does_not_read_costs_its_own_messages_alone(tmp_path: Path) -> None:
    """They are dropped beyond the limit, told once a second, and everything else on the connection goes on."""
    async with nats_server(tmp_path) as server, bus_on(server) as bus:
        never = asyncio.Event()

        async def stuck(_message: events_pb2.TurnTranscribed, _subject: str) -> None:
            await never.wait()

        await bus.subscribe("flood", events_pb2.TurnTranscribed, stuck)
        flooding = await server.connect()
        with capture_logs() as logs:
            for count in range(DEFAULT_SUB_PENDING_MSGS_LIMIT + 2000):
                await flooding.publish("flood", b"")
                if count % 5000 == 0:
                    # Both clients share a loop: the bus has to get to read, or the server hangs up on it.
                    await asyncio.gather(flooding.flush(), bus.client.flush())
            await flooding.flush()
            async with asyncio.timeout(20):
                while not (told := [line for line in logs if line["event"] == "messages_dropped"]):
                    await asyncio.sleep(0.05)
            await bus.client.flush()
        assert len([line for line in logs if line["event"] == "messages_dropped"]) < 20
        assert told[0]["subscription"] == "flood"
        assert (await bus.publish(SUBJECT, turn())).sequence == 1
        assert await bus.ready() == ""
        await flooding.close()
        never.set()


# nats-py drops the transport of a server that it leaves without closing it.
@pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_server_that_says_nothing_is_left(tmp_path: Path) -> None:
    """A frozen server keeps its connections open: only its silence tells. Another one is used within seconds."""
    async with (
        nats_server(tmp_path / "a") as first,
        nats_server(tmp_path / "b") as second,
        bus_on(first, second) as bus,
    ):
        used = first if bus.client.connected_url is not None and bus.client.connected_url.port == first.port else second
        assert used.process is not None
        used.process.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(20):
                while bus.client.connected_url is None or bus.client.connected_url.port == used.port:
                    await asyncio.sleep(0.05)
            assert (await bus.publish(SUBJECT, turn())).sequence == 1
        finally:
            used.process.send_signal(signal.SIGCONT)
    gc.collect()
