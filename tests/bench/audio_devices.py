"""The devices of `bench.audio`: many utterances at once, paced as microphones are, 40 ms a frame.

Frames are written to the server's socket as they are, without a client library, so that the devices cost as little of
the machine as they can. Each frame holds its time of sending; a checksum of what was said is compared with the
transcript.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import time
import zlib
from dataclasses import dataclass
from typing import Final

import nats
from nats.aio.msg import Msg

from bench.audio_worker import STAMP
from earshot.asr.v1 import events_pb2
from earshot.common.v1 import audio_pb2
from earshot.device.v1 import upstream_pb2
from earshot_topology.subjects import DeviceAddress

FRAME_S: Final = 0.04
FRAME_BYTES: Final = 1280
STARTS_PER_S: Final = 125
"""How many utterances begin a second while the streams are added."""
_TICK_S: Final = 0.001


@dataclass(slots=True)
class _Stream:
    turn: str
    subject: bytes
    start: bytes
    sequence: int = 0
    checksum: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What a run of devices did.

    Attributes:
        matched: Utterances whose transcript is what was said.
        mismatched: Utterances whose transcript is not, or did not come.
        late_ms: 99th percentile of how late frames were sent: above some milliseconds the devices are the limit.
    """

    matched: int
    mismatched: int
    late_ms: float


async def speak(url: str, count: int, *, seconds: float, expect_transcripts: bool) -> Said:
    """Let `count` devices speak at once for `seconds`, after a ramp in which they begin one after the other.

    Frames that are sent while all of them speak are marked as measured.
    """
    client = await nats.connect(url)
    heard: dict[str, str] = {}

    async def note(message: Msg) -> None:
        event = events_pb2.TurnTranscribed.FromString(message.data)
        heard[event.turn.turn_id] = event.alternatives[0].transcript if event.alternatives else event.error_code

    await client.subscribe("turn.transcribed", cb=note)
    await client.flush()
    host, port = url.removeprefix("nats://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answering = asyncio.ensure_future(_answer_pings(reader, writer))
    writer.write(b'CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1"}\r\n')
    frames = round((seconds + count / STARTS_PER_S) / FRAME_S)
    streams = _streams(count)
    late = await _pace(streams, writer, frames)
    deadline = time.monotonic() + 10
    while expect_transcripts and len(heard) < count and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    writer.close()
    await client.close()
    matched = sum(heard.get(stream.turn) == f"{stream.checksum:08x}/{frames * FRAME_BYTES}" for stream in streams)
    late.sort()
    return Said(matched, count - matched if expect_transcripts else 0, 1_000 * late[int(len(late) * 0.99)])


async def _answer_pings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        if line.startswith(b"PING"):
            writer.write(b"PONG\r\n")


def _streams(count: int) -> list[_Stream]:
    run = os.urandom(4).hex()
    streams = []
    for number in range(count):
        address, turn = DeviceAddress(f"h{number % 50}", f"d{number}"), f"turn-{run}-{number}"
        started = upstream_pb2.UtteranceStarted(
            turn_id=turn,
            contract_version=1,
            format=audio_pb2.AudioFormat(
                encoding=audio_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=16_000, channel_count=1
            ),
        ).SerializeToString()
        begin = b"PUB %s %d\r\n%s\r\n" % (address.started("en-US", "stable").encode(), len(started), started)
        streams.append(_Stream(turn=turn, subject=address.audio(turn).encode(), start=begin))
    return streams


async def _pace(streams: list[_Stream], writer: asyncio.StreamWriter, frames: int) -> list[float]:
    """Send every stream's frames when they are due; return by how many seconds they were late."""
    sound = [os.urandom(FRAME_BYTES - STAMP.size) for _ in range(64)]
    begin = time.monotonic() + 0.05
    all_speak = begin + len(streams) / STARTS_PER_S + 0.5
    first_ends = begin + (frames - 1) * FRAME_S
    queue = [(begin + number / STARTS_PER_S, number) for number in range(len(streams))]
    late = []
    while queue:
        now = time.monotonic()
        batch = []
        while queue and queue[0][0] <= now:
            due, number = queue[0]
            stream = streams[number]
            late.append(now - due)
            if not stream.sequence:
                batch.append(stream.start)
            last = stream.sequence == frames - 1
            batch.append(_frame(stream, sound, last=last, measured=all_speak <= now < first_ends))
            stream.sequence += 1
            if last:
                heapq.heappop(queue)
            else:
                heapq.heapreplace(queue, (due + FRAME_S, number))
        if batch:
            writer.write(b"".join(batch))
        await asyncio.sleep(_TICK_S)
    await writer.drain()
    return late


def _frame(stream: _Stream, sound: list[bytes], *, last: bool, measured: bool) -> bytes:
    samples = STAMP.pack(time.monotonic_ns(), measured) + sound[stream.sequence % len(sound)]
    stream.checksum = zlib.crc32(samples, stream.checksum)
    data = upstream_pb2.AudioFrame(
        turn_id=stream.turn, sequence=stream.sequence, payload=samples, last=last
    ).SerializeToString()
    return b"PUB %s %d\r\n%s\r\n" % (stream.subject, len(data), data)
