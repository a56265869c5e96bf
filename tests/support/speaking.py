"""A speech worker on a real bus, and a device that hears it, for tests of the bus path."""

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

from earshot.common.v1 import audio_pb2, turn_pb2
from earshot.device.v1 import downstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_audio import Encoding, Format, FrameDecoder
from earshot_chassis.bus import Bus
from earshot_chassis.settings import ServiceSettings
from earshot_topology.subjects import DeviceAddress
from earshot_tts.cache.sentences import SentenceCache
from earshot_tts.composition import listen, sentence_cache
from earshot_tts.engines.base import Engine
from earshot_tts.engines.espeak import EspeakEngine
from earshot_tts.settings import TtsSettings
from earshot_tts.synthesis import Synthesis
from support.nats import NatsServer

PCM_16K = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=16_000, channel_count=1)
OPUS_24K = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_OPUS, sample_rate_hertz=24_000, channel_count=1)
_ENCODINGS = {1: Encoding.LINEAR16, 2: Encoding.OPUS}


@dataclass(kw_only=True)
class SpeechWorker:
    """A running speech service without gRPC."""

    bus: Bus
    synthesis: Synthesis
    cache: SentenceCache

    async def freeze(self) -> None:
        """Stop existing, as a killed process does: nothing is said any more, on any subject."""
        await self.bus.client._close(status=Client.CLOSED, do_cbs=False)


@contextlib.asynccontextmanager
async def speech_worker(
    server: NatsServer, engine: Engine | None = None, **settings: object
) -> AsyncIterator[SpeechWorker]:
    """Run a speech worker until the end of the block; with espeak-ng unless an engine is given."""
    bus = Bus("tts", ServiceSettings(nats_url=server.url))
    await bus.connect()
    configured = TtsSettings(**settings)
    cache = sentence_cache(bus, configured)
    synthesis = Synthesis(engine or EspeakEngine(), cache, threads=configured.threads, frame_ms=configured.frame_ms)
    await synthesis.start()
    handlers = await listen(bus, synthesis, configured)
    writing = asyncio.create_task(cache.write())
    await bus.start()
    try:
        yield SpeechWorker(bus=bus, synthesis=synthesis, cache=cache)
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        if not bus.client.is_closed:
            await bus.stop_consuming(0.5)
        await handlers.stop()
        if not bus.client.is_closed:
            await bus.close()
        await synthesis.stop()


@dataclass(kw_only=True)
class Listener:
    """A device that notes what it hears, and when; and the hand that decides outcomes for it."""

    client: Client
    address: DeviceAddress
    frames: list[downstream_pb2.SpeechFrame] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    errors: list[downstream_pb2.DeviceError] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def decide(
        self,
        *texts: str,
        locale: str = "en-US",
        playback: audio_pb2.AudioFormat | None = None,
        turn_id: str | None = None,
        outcome_id: str = "o1",
        segment: int = 0,
        final: bool = True,
        kind: int = outcome_pb2.OUTCOME_KIND_ANSWERED,
        modality: int = turn_pb2.MODALITY_VOICE,
        headers: dict[str, str] | None = None,
    ) -> str:
        """Publish a segment of an outcome; return its turn."""
        turn = turn_id or str(uuid.uuid4())
        context = turn_pb2.TurnContext(turn_id=turn, locale=locale, modality=modality)
        if playback is not None:
            context.playback_format.CopyFrom(playback)
        outcome = outcome_pb2.Outcome(
            outcome_id=outcome_id,
            turn=context,
            kind=kind,
            segment_index=segment,
            final=final,
            prompts=[outcome_pb2.Prompt(text=text, locale=locale) for text in texts],
        )
        await self.client.jetstream().publish(
            self.address.turn_outcome(turn), outcome.SerializeToString(), headers=headers
        )
        return turn

    async def wait(self, condition: Callable[[], object], seconds: float = 8.0) -> None:
        """Wait until something has been heard."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def whole(self, turn: str, seconds: float = 8.0) -> list[downstream_pb2.SpeechFrame]:
        """Wait for a turn's last frame; return its frames, each once, in order."""
        await self.wait(lambda: any(frame.last and frame.turn_id == turn for frame in self.frames), seconds)
        return self.of(turn)

    def of(self, turn: str) -> list[downstream_pb2.SpeechFrame]:
        """Return the frames of a turn as a device would play them: each once, in order."""
        kept = {frame.sequence: frame for frame in self.frames if frame.turn_id == turn and frame.outcome_id}
        return [kept[sequence] for sequence in sorted(kept)]

    async def on_frame(self, message: Msg) -> None:
        """Note a frame."""
        self.frames.append(downstream_pb2.SpeechFrame.FromString(message.data))
        self.times.append(asyncio.get_running_loop().time())
        self._news.set()

    async def on_error(self, message: Msg) -> None:
        """Note an error."""
        self.errors.append(downstream_pb2.DeviceError.FromString(message.data))
        self._news.set()


@contextlib.asynccontextmanager
async def listener(server: NatsServer, household: str = "h1", serial: str = "d1") -> AsyncIterator[Listener]:
    """Connect a device that may also publish outcomes, which real ones can't."""
    client = await server.connect()
    made = Listener(client=client, address=DeviceAddress(household, serial))
    await client.subscribe(f"device.{household}.{serial}.down.speech.*", cb=made.on_frame)
    await client.subscribe(made.address.error(), cb=made.on_error)
    await client.flush()
    yield made
    await client.close()


@dataclass(kw_only=True)
class Stage:
    """A server with a speech worker that several tests share."""

    server: NatsServer
    devices: int = 0

    def device(self) -> contextlib.AbstractAsyncContextManager[Listener]:
        """Connect a device that no other test knows."""
        self.devices += 1
        return listener(self.server, serial=f"device{self.devices}")

    async def settled(self, seconds: float = 5.0) -> None:
        """Wait until every outcome has been acknowledged."""
        await settled(self.server, seconds)


async def settled(server: NatsServer, seconds: float = 5.0) -> None:
    """Wait until every outcome has been acknowledged."""
    client = await server.connect()
    try:
        async with asyncio.timeout(seconds):
            while True:
                info = await client.jetstream().consumer_info("OUTCOMES", "tts")
                if not info.num_pending and not info.num_ack_pending:
                    return
                await asyncio.sleep(0.02)
    finally:
        await client.close()


def samples_of(frames: list[downstream_pb2.SpeechFrame]) -> NDArray[np.int16]:
    """Decode frames into mono samples."""
    form = frames[0].format
    decoder = FrameDecoder(
        Format(
            encoding=_ENCODINGS[form.encoding],
            sample_rate_hertz=form.sample_rate_hertz,
            channel_count=form.channel_count,
        )
    )
    return np.concatenate([decoder.decode(frame.payload) for frame in frames])
