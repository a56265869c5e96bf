"""A server that is frozen is told from one that is slow."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import grpc
import pytest

from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis.rpc_client import connect

# The intent says how many seconds to take; "busy" ones are taken by blocking the event loop.
SERVER = """
import asyncio, time
from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis.rpc_server import GrpcServer

class Slow(skill_pb2_grpc.SkillServicer):
    async def Handle(self, request, context):
        seconds = float(request.intent.removeprefix("busy "))
        if request.intent.startswith("busy"):
            time.sleep(seconds)
        await asyncio.sleep(seconds)
        yield skill_pb2.HandleResponse(answer=skill_pb2.Answer(final=True))

async def main():
    server = GrpcServer()
    server.add(skill_pb2_grpc.add_SkillServicer_to_server, Slow(), "earshot.skill.v1.Skill")
    print(await server.start("127.0.0.1", 0), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def server() -> Iterator[tuple[int, int]]:
    """Run a server; return its port and its process."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process.pid
    finally:
        process.kill()
        process.communicate()


async def handle(channel: grpc.aio.Channel, intent: str) -> int:
    """Make a call that may take long; return how many answers came."""
    call = skill_pb2_grpc.SkillStub(channel).Handle(skill_pb2.HandleRequest(intent=intent), timeout=30)
    return len([answer async for answer in call])


async def test_a_frozen_server_is_unavailable_long_before_the_deadline(server):
    """A connection that stays open does not make its process alive."""
    port, pid = server
    async with connect(f"127.0.0.1:{port}") as channel:
        assert await handle(channel, "0") == 1
        began = time.monotonic()
        call = asyncio.create_task(handle(channel, "20"))
        await asyncio.sleep(0.3)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - began < 10
        assert channel.get_state() is not grpc.ChannelConnectivity.READY
        os.kill(pid, signal.SIGCONT)
        assert await handle(channel, "0") == 1


@pytest.mark.parametrize("intent", ["2.5", "busy 1.5"])
async def test_a_slow_server_is_waited_for(server, intent):
    """Neither a call that takes its time nor an event loop that is held up is taken for death."""
    port, _ = server
    async with connect(f"127.0.0.1:{port}") as channel:
        assert await handle(channel, intent) == 1
