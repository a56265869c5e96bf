"""What has to survive a worker: the utterance itself, and the capture that it is rebuilt from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from earshot_asr.capture import Capture
from support.hearing import device, frames_of, worker
from support.nats import NatsServer, nats_server
from support.recognition import digest, speech

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A server with Earshot's streams."""
    async with nats_server(tmp_path) as running:
        yield running


async def test_another_worker_takes_over_bit_exact(server: NatsServer) -> None:
    """When an owner dies mid-utterance another one rebuilds it from the capture and goes on live, with a higher epoch."""
    said = speech(4.0)
    payloads = frames_of(said)
    async with worker(server) as first, device(server) as heard:
        turn = await heard.begin()
        for sequence in range(40):
            await heard.send(turn, sequence, payloads[sequence])
        await heard.wait(lambda: len(first.engine.streams) == 1 and len(first.engine.streams[0].pcm) > 32_000)
        async with worker(server) as second:
            await first.freeze()
            for sequence in range(40, len(payloads)):
                await heard.send(turn, sequence, payloads[sequence], last=sequence == len(payloads) - 1)
                await asyncio.sleep(0.02)
            event = await heard.result(turn)
            assert len(second.engine.streams) == 1
    assert event.owner_epoch == 2
    assert event.alternatives[0].transcript == digest(said.tobytes())
    assert [update.owner_epoch for update in heard.of(turn, "final_transcript")] == [2]


async def test_frames_are_purged_afterwards(server: NatsServer) -> None:
    """Some time after an utterance the capture holds nothing of it, and everything of others."""
    client = await server.connect()
    capture = Capture(client, purge_after_s=0.1)
    await capture.start()
    for turn in ("a", "b"):
        await client.jetstream().publish(f"device.h1.d1.up.audio.{turn}", b"frame")
    capture.purge_later("device.h1.d1.up.audio.a")
    left: list[bytes] = []
    async with asyncio.timeout(5):
        while (await client.jetstream().stream_info("AUDIO")).state.messages != 1:
            await asyncio.sleep(0.02)
    assert await capture.read("device.h1.d1.up.audio.b", left.append)
    assert left == [b"frame"]
    await capture.stop()
    await client.close()


async def test_a_read_of_the_capture_is_complete(server: NatsServer) -> None:
    """More frames than one batch holds are all read, in order, in as many requests as it takes."""
    client = await server.connect()
    capture = Capture(client)
    await capture.start()
    for number in range(2_345):
        await client.publish("device.h1.d1.up.audio.long", b"%d" % number)
        if number % 500 == 0:
            await client.flush()
    await client.flush()
    read: list[bytes] = []
    async with asyncio.timeout(5):
        while len(read) < 2_345:
            read.clear()
            assert await capture.read("device.h1.d1.up.audio.long", read.append)
    assert read == [b"%d" % number for number in range(2_345)]
    assert await capture.read("device.h1.d1.up.audio.none", read.append)
    await capture.stop()
    await client.close()


async def test_a_stream_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    """A read that nobody can answer ends without frames and says so, instead of waiting."""
    async with nats_server(tmp_path, streams=False) as bare:
        client = await bare.connect()
        capture = Capture(client)
        await capture.start()
        read: list[bytes] = []
        async with asyncio.timeout(1):
            assert not await capture.read("device.h1.d1.up.audio.any", read.append)
        assert read == []
        await capture.stop()
        await client.close()
