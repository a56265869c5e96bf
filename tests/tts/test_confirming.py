"""Frames that left while the bus lost a node are sent again until they are captured."""

from __future__ import annotations

import asyncio

import pytest

from earshot_audio import Encoding, Format
from earshot_chassis.errors import LeaseLostError
from earshot_topology.apply import apply
from earshot_topology.keeping import keep
from earshot_topology.streams import TTS_OUTCOMES
from earshot_topology.subjects import DeviceAddress
from earshot_tts import wire
from earshot_tts.direct import count_subject, read_subject
from earshot_tts.requests import FILLER, OutcomeId, SpeechRequest, Text, TurnId
from earshot_tts.transport import SPEECH_STREAM, BusFrameSender
from support.nats import NatsServer, free_port, nats_server

ADDRESS = DeviceAddress("h1", "d1")
SUBJECT = ADDRESS.speech("t1")
FRAMES = 12


def request(outcome: str = "o1", owner_epoch: int = 1) -> SpeechRequest:
    """Return a request to speak."""
    return SpeechRequest(
        address=ADDRESS,
        turn_id=TurnId("t1"),
        outcome_id=OutcomeId(outcome),
        segment_index=0,
        final=True,
        owner_epoch=owner_epoch,
        texts=(Text(text="Hello.", locale="en-US"),),
        audio_format=Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000),
    )


async def sent(client, outcome: str = "o1") -> BusFrameSender:
    """Send an outcome's frames; return what sent them."""
    sender = BusFrameSender(client, request(outcome), 40)
    before = await count_subject(client, SPEECH_STREAM, SUBJECT)
    for sequence in range(FRAMES):
        await sender.send(sequence, bytes(1280), last=sequence == FRAMES - 1)
    await client.flush()
    async with asyncio.timeout(10):
        while await count_subject(client, SPEECH_STREAM, SUBJECT) < before + FRAMES:
            await asyncio.sleep(0.01)
    return sender


async def lose(client, *numbers: int) -> None:
    """Make the capture lose frames."""
    for number in numbers:
        await client.jetstream().delete_msg(SPEECH_STREAM, number + 1)


async def captured(client) -> list[int]:
    """Return the sequences that are captured."""
    messages = await read_subject(client, SPEECH_STREAM, SUBJECT)
    return sorted(wire.captured_frame(message.payload).sequence for message in messages)


async def test_what_is_captured_is_not_sent_again(tmp_path):
    """The usual case costs one question."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        sender = await sent(client)
        await sender.confirm()
        assert await count_subject(client, SPEECH_STREAM, SUBJECT) == FRAMES
        await client.close()


async def test_frames_that_the_capture_lacks_are_sent_again(tmp_path):
    """In the middle and at the end: each once, and the device hears them."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        sender = await sent(client)
        await lose(client, 3, FRAMES - 2, FRAMES - 1)
        heard = await client.subscribe(SUBJECT)
        await sender.confirm()
        assert await captured(client) == list(range(FRAMES))
        again = [wire.captured_frame((await heard.next_msg(2)).data) for _ in range(3)]
        assert [frame.sequence for frame in again] == [3, FRAMES - 2, FRAMES - 1]
        await client.close()


async def test_what_nobody_can_give_back_is_not_waited_for(tmp_path):
    """Frames of the worker before this one, which died: the device fills the gap."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        heir = BusFrameSender(client, request(), 40)
        await heir.send(5, bytes(1280), last=True)
        await client.flush()
        await heir.confirm()
        assert await captured(client) == [5]
        await client.close()


async def test_what_another_has_begun_to_speak_is_the_others(tmp_path):
    """A worker that was frozen takes an old delivery for its own: it must not settle it, and sends nothing more."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        heir = BusFrameSender(client, request(owner_epoch=2), 40)
        await heir.send(0, bytes(1280), last=False)
        await client.flush()
        async with asyncio.timeout(10):
            while not await count_subject(client, SPEECH_STREAM, SUBJECT):
                await asyncio.sleep(0.01)
        zombie = await sent(client)
        count = await count_subject(client, SPEECH_STREAM, SUBJECT)
        with pytest.raises(LeaseLostError):
            await zombie.confirm()
        assert await count_subject(client, SPEECH_STREAM, SUBJECT) == count
        await client.close()


async def test_fillers_are_losable(tmp_path):
    """Words that bridge a wait are not worth it once the wait is over."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        sender = await sent(client, FILLER)
        await lose(client, 0)
        await sender.confirm()
        assert await count_subject(client, SPEECH_STREAM, SUBJECT) == FRAMES - 1
        await client.close()


async def test_frames_that_a_lost_connection_took_along_are_sent_again_in_the_middle(tmp_path):
    """The next frame after a new connection brings with it what the capture lacks, once there is a capture to ask."""
    server = NatsServer(port=free_port(), storage=tmp_path)
    server.start()
    await server.ready()
    client = await server.connect()
    await apply(client.jetstream())
    sender = BusFrameSender(client, request(), 40)
    for sequence in range(FRAMES // 2):
        await sender.send(sequence, bytes(1280), last=False)
    await client.flush()
    server.kill()
    server.start()
    await server.ready()
    async with asyncio.timeout(10):
        while not client.stats["reconnects"]:
            await asyncio.sleep(0.02)
    # The server has forgotten the stream; nobody can tell what is missing.
    await sender.send(FRAMES // 2, bytes(1280), last=False)
    await client.flush()
    assert await keep(client.jetstream(), SPEECH_STREAM, TTS_OUTCOMES)
    await asyncio.sleep(0.2)
    await sender.send(FRAMES // 2 + 1, bytes(1280), last=False)
    async with asyncio.timeout(10):
        while await count_subject(client, SPEECH_STREAM, SUBJECT) < FRAMES // 2 + 2:
            await asyncio.sleep(0.02)
    assert await captured(client) == list(range(FRAMES // 2 + 2))
    await client.close()
    server.kill()
