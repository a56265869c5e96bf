"""Measures what the one leader of a stream takes a second, on three nodes that all keep a copy, as a cell does.

Messages are ours, of the sizes that a turn has. Those of a stream in a file are acknowledged, many at once as those of many
devices are; frames are not, as devices send them. Servers and senders share this machine's cores, so that a node that has
cores of its own takes more.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext

from earshot_local.stack import Stack
from earshot_topology.subjects import TURN_TRANSCRIBED, DeviceAddress

COPIES = 3
_READY_S = 60.0
# As transcripts and frames are, stored.
_EVENT, _FRAME = b"x" * 500, b"x" * 1_400
_UNACKNOWLEDGED = 512
_FRAMES_AT_ONCE = 200


async def writes_per_s(folder: Path, seconds: float) -> tuple[float, float]:
    """Return messages a second that the leader of a stream in a file, and of one in memory, takes.

    Args:
        folder: Empty, for three nodes.
        seconds: How long each is written to.

    Raises:
        StartError: The nodes did not start.
    """
    async with Stack(home=folder, services=(), tracestore=False, nodes=COPIES) as stack:
        await stack.ready(_READY_S)
        client = await nats.connect(
            stack.nats_url.split(","),
            user_credentials=str(stack.creds("admin")),
            inbox_prefix="_INBOX_admin",
            pending_size=64 << 20,
        )
        try:
            jetstream = client.jetstream()
            return await _events(jetstream, seconds), await _frames(client, jetstream, seconds)
        finally:
            await client.close()


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
