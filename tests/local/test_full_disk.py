"""The bus's disk is full: nothing is believed to be stored, and when there is room again the stack mends itself."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from nats.errors import Error as NatsError

from earshot_local import Stack
from earshot_local.events import State


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 96 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)]
    if not (mount and unmount) or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run([unmount, "-l", str(folder)], check=True)


async def test_the_server_is_started_anew_when_there_is_room_again(disk: Path) -> None:
    """nats-server gives a file up that it could not write: until it is started anew, it stores nothing there."""
    async with Stack(home=disk, services=(), tracestore=False) as stack:
        server = stack.processes["nats-server"]
        client = await nats.connect(
            stack.nats_url,
            user_credentials=str(stack.creds("admin")),
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
        )
        jetstream = client.jetstream()
        await jetstream.publish("turn.transcribed", b"x")
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
            while True:
                file.write(b"x")
        with pytest.raises(NatsError):
            for _ in range(50):
                await jetstream.publish("turn.transcribed", bytes(20_000), timeout=1)
        async with asyncio.timeout(30):
            while server.state is not State.UNREADY:
                await asyncio.sleep(0.05)
        assert server.pid is not None

        before = server.pid
        filler.unlink()
        async with asyncio.timeout(30):
            while server.pid == before or server.state is not State.READY:
                await asyncio.sleep(0.05)
        assert server.restarts == 0
        held = (await jetstream.stream_info("TURNS")).state.messages
        await jetstream.publish("turn.transcribed", b"x")
        assert (await jetstream.stream_info("TURNS")).state.messages == held + 1
        await client.close()
