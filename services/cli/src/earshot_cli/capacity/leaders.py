"""Measures what the one leader of a stream takes a second, on three nodes that all keep a copy, as a cell does, and what copies cost.

Messages are ours, of the sizes that a turn has. Those of a stream in a file are acknowledged, many at once as those of many
devices are; frames are not, as devices send them. Servers and senders share this machine's cores, so that a node that has
cores of its own takes more. What copies cost is CPU time: of all three nodes for what a turn writes, beyond that of a
server alone, which keeps one. They write at the pace of speech, as in the turns
whose cost on one server it is added to, and what nodes use when nobody writes is taken off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
import psutil
from nats.aio.client import Client
from nats.js import JetStreamContext

from earshot_cli.capacity.clocks import cpu_s
from earshot_local.stack import Stack
from earshot_topology.subjects import TURN_TRANSCRIBED, DeviceAddress

COPIES = 3
_READY_S = 60.0
# As transcripts and frames are, stored.
_EVENT, _FRAME = b"x" * 500, b"x" * 1_400
_UNACKNOWLEDGED = 512
_FRAMES_AT_ONCE = 200
# What a turn writes: ten events, and 25 frames for each second of 2.6 that are spoken and 4 that are answered.
_FRAMES_OF_TURN, _FRAMES_AN_EVENT, _FRAME_S = 160, 16, 0.04
_TURNS_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaders:
    """What leaders take, and copies cost.

    Attributes:
        stream_writes_per_s: Messages a second that the leader of a stream in a file takes.
        memory_stream_writes_per_s: Likewise, of one in memory.
        copies_cpu_s_per_turn: CPU for what a turn writes on three nodes that keep a copy each, beyond that of one node alone.
    """

    stream_writes_per_s: float
    memory_stream_writes_per_s: float
    copies_cpu_s_per_turn: float


async def measure(folder: Path, seconds: float) -> Leaders:
    """Measure everything on one node, then on three.

    Args:
        folder: Empty, for their state.
        seconds: How long each kind of message is written.

    Raises:
        StartError: The nodes did not start.
    """
    async with _nodes(folder / "one", 1) as (stack, client):
        alone = await _cpu_s_per_turn(stack, client, seconds)
    async with _nodes(folder / "three", COPIES) as (stack, client):
        copied = await _cpu_s_per_turn(stack, client, seconds)
        jetstream = client.jetstream()
        return Leaders(
            stream_writes_per_s=await _events(jetstream, seconds),
            memory_stream_writes_per_s=await _frames(client, jetstream, seconds),
            copies_cpu_s_per_turn=max(0.0, copied - alone),
        )


@asynccontextmanager
async def _nodes(folder: Path, count: int) -> AsyncIterator[tuple[Stack, Client]]:
    """Run so many nodes and nothing else, with a client that may write to any stream."""
    async with Stack(home=folder, services=(), tracestore=False, nodes=count) as stack:
        await stack.ready(_READY_S)
        client = await nats.connect(
            stack.nats_url.split(","),
            user_credentials=str(stack.creds("admin")),
            inbox_prefix="_INBOX_admin",
            pending_size=64 << 20,
        )
        try:
            yield stack, client
        finally:
            await client.close()


async def _cpu_s_per_turn(stack: Stack, client: Client, seconds: float) -> float:
    """Write what turns do, some turns at once and in real time; return the CPU time of all nodes for one, beyond that at rest."""
    jetstream, subject = client.jetstream(), DeviceAddress("capacity", "copies").audio("frames")
    nodes = [psutil.Process(child.pid) for name, child in stack.processes.items() if name.startswith("nats-server")]
    frames = 0

    async def speak(index: int) -> None:
        nonlocal frames
        await asyncio.sleep(index * _FRAME_S / _TURNS_AT_ONCE)
        for number in range(max(_FRAMES_AN_EVENT, round(seconds / _FRAME_S))):
            await client.publish(subject, _FRAME)
            if not number % _FRAMES_AN_EVENT:
                await jetstream.publish(TURN_TRANSCRIBED, _EVENT)
            frames += 1
            await asyncio.sleep(_FRAME_S)

    async def used(during: Awaitable[object]) -> tuple[float, float]:
        before, began = sum(map(cpu_s, nodes)), time.monotonic()
        await during
        return sum(map(cpu_s, nodes)) - before, time.monotonic() - began

    rest, rest_s = await used(asyncio.sleep(seconds))
    cpu, took_s = await used(asyncio.gather(*(speak(index) for index in range(_TURNS_AT_ONCE))))
    return max(0.0, cpu - rest / rest_s * took_s) / (frames / _FRAMES_OF_TURN)


async def _events(jetstream: JetStreamContext, seconds: float) -> float:
    """Write to a stream in a file, with acknowledgements."""
    written, began = 0, time.monotonic()
    end = began + seconds

    async def write() -> None:
        nonlocal written
        while time.monotonic() < end:
            await jetstream.publish(TURN_TRANSCRIBED, _EVENT)
            written += 1

    await asyncio.gather(*(write() for _ in range(_UNACKNOWLEDGED)))
    return written / (time.monotonic() - began)


async def _frames(client: Client, jetstream: JetStreamContext, seconds: float) -> float:
    """Write to a stream in memory, without; what the leader has taken by the end is what it can."""
    subject = DeviceAddress("capacity", "leader").audio("frames")
    before = (await jetstream.stream_info("AUDIO")).state.last_seq
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        for _ in range(_FRAMES_AT_ONCE):
            await client.publish(subject, _FRAME)
        await client.flush(timeout=30)
    taken = (await jetstream.stream_info("AUDIO")).state.last_seq - before
    return taken / (time.monotonic() - began)
