"""A recogniser on a real bus, and a device that talks to it, for tests of the bus path."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import numpy as np
from nats.aio.client import Client
from nats.aio.msg import Msg
from numpy.typing import NDArray

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import audio_pb2
from earshot.device.v1 import downstream_pb2, upstream_pb2
from earshot_asr.composition import listen
from earshot_asr.recognition import Recognizer
from earshot_asr.settings import AsrSettings
from earshot_chassis.bus import Bus
from earshot_chassis.settings import ServiceSettings
from earshot_registry import HouseholdWords
from earshot_topology.subjects import DeviceAddress
from support.nats import NatsServer
from support.recognition import DigestEngine, LoudnessPool

FRAME_SAMPLES = 640
"""40 ms at 16 kHz."""


@dataclass(kw_only=True)
class Worker:
    """A running recogniser."""

    bus: Bus
    engine: DigestEngine
    vads: LoudnessPool

    async def freeze(self) -> None:
        """Stop existing, as a killed process does: nothing is said any more, on any subject."""
        await self.bus.client._close(status=Client.CLOSED, do_cbs=False)


@contextlib.asynccontextmanager
async def worker(server: NatsServer, **settings: object) -> AsyncIterator[Worker]:
    """Run a recogniser with the digest engine until the end of the block."""
    bus = Bus("asr", ServiceSettings(nats_url=server.url))
    await bus.connect()
    engine, vads = DigestEngine(), LoudnessPool()
    configured = AsrSettings(**settings)
    capture = await listen(bus, Recognizer(engine, vads, configured.endpointing()), HouseholdWords(bus), configured)
    await bus.start()
    try:
        yield Worker(bus=bus, engine=engine, vads=vads)
    finally:
        if not bus.client.is_closed:
            await bus.stop_consuming(5.0)
            await capture.stop()
            await bus.close()


@dataclass(kw_only=True)
class TestDevice:
    """A device that says frames and notes what it hears."""

    __test__ = False

    client: Client
    address: DeviceAddress
    updates: list[downstream_pb2.RecognitionUpdate] = field(default_factory=list)
    errors: list[downstream_pb2.DeviceError] = field(default_factory=list)
    transcribed: dict[str, list[events_pb2.TurnTranscribed]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(
        self,
        *,
        locale: str = "en-US",
        encoding: int = audio_pb2.AUDIO_ENCODING_LINEAR16,
        rate: int = 16_000,
        channels: int = 1,
        version: int = 1,
        turn_id: str | None = None,
        raw: bytes | None = None,
    ) -> str:
        """Publish the start of an utterance; return its turn."""
        turn = turn_id if turn_id is not None else str(uuid.uuid4())
        started = upstream_pb2.UtteranceStarted(
            turn_id=turn,
            boot_id="boot",
            contract_version=version,
            time_zone="Asia/Tokyo",
            format=audio_pb2.AudioFormat(encoding=encoding, sample_rate_hertz=rate, channel_count=channels),
            playback_format=audio_pb2.AudioFormat(encoding=2, sample_rate_hertz=24_000, channel_count=1),
        )
        payload = started.SerializeToString() if raw is None else raw
        await self.client.jetstream().publish(self.address.started(locale, "stable"), payload)
        return turn

    async def send(self, turn: str, sequence: int, payload: bytes, *, last: bool = False) -> None:
        """Publish one frame."""
        frame = upstream_pb2.AudioFrame(turn_id=turn, sequence=sequence, payload=payload, last=last)
        await self.client.publish(self.address.audio(turn), frame.SerializeToString())

    async def say(self, turn: str, samples: NDArray[np.int16], *, last: bool = True) -> list[bytes]:
        """Publish samples as frames of 40 ms, as fast as they go; return the payloads."""
        payloads = frames_of(samples)
        for sequence, payload in enumerate(payloads):
            await self.send(turn, sequence, payload, last=last and sequence == len(payloads) - 1)
        await self.client.flush()
        return payloads

    async def wait(self, condition: Callable[[], object], seconds: float = 8.0) -> None:
        """Wait until something has been heard."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def result(self, turn: str, seconds: float = 8.0) -> events_pb2.TurnTranscribed:
        """Wait for a turn's transcript."""
        await self.wait(lambda: turn in self.transcribed, seconds)
        return self.transcribed[turn][0]

    def of(self, turn: str, kind: str) -> list[downstream_pb2.RecognitionUpdate]:
        """Return the updates of one kind that came for a turn."""
        return [update for update in self.updates if update.turn_id == turn and update.WhichOneof("update") == kind]

    async def on_update(self, message: Msg) -> None:
        """Note an update."""
        self.updates.append(downstream_pb2.RecognitionUpdate.FromString(message.data))
        self._news.set()

    async def on_error(self, message: Msg) -> None:
        """Note an error."""
        self.errors.append(downstream_pb2.DeviceError.FromString(message.data))
        self._news.set()

    async def on_transcribed(self, message: Msg) -> None:
        """Note a transcript."""
        event = events_pb2.TurnTranscribed.FromString(message.data)
        self.transcribed.setdefault(event.turn.turn_id, []).append(event)
        self._news.set()


@contextlib.asynccontextmanager
async def device(server: NatsServer, household: str = "h1", serial: str = "d1") -> AsyncIterator[TestDevice]:
    """Connect a device that also listens to transcripts, which real ones can't."""
    client = await server.connect()
    made = TestDevice(client=client, address=DeviceAddress(household, serial))
    await client.subscribe(made.address.recognition(), cb=made.on_update)
    await client.subscribe(made.address.error(), cb=made.on_error)
    await client.subscribe("turn.transcribed", cb=made.on_transcribed)
    await client.flush()
    yield made
    await client.close()


def frames_of(samples: NDArray[np.int16]) -> list[bytes]:
    """Cut samples into payloads of 40 ms."""
    return [
        samples[start : start + FRAME_SAMPLES].astype("<i2").tobytes()
        for start in range(0, len(samples), FRAME_SAMPLES)
    ]
