"""Load for `turn`: devices that speak as fast as they are answered, with as little of their own as a client can have.

A spoken turn publishes its start and its frames and ends when the first frame of the answer arrives; a typed one is a
Converse call. Each makes its root span, so that the trace that is stored is a whole one.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from earshot.common.v1 import audio_pb2
from earshot.device.v1 import upstream_pb2
from earshot.dialogue.v1 import assistant_pb2, assistant_pb2_grpc, outcome_pb2
from earshot_chassis import telemetry
from earshot_topology.permissions import device_inbox
from earshot_topology.subjects import DeviceAddress

_TURN_TIMEOUT_S = 15.0
_FRAMES = 10
_FRAME_GAP_S = 0.005
_RATE = 16_000
_FRAME = b"\x01\x00" * (_RATE * 40 // 1000)


@dataclass(slots=True)
class Tally:
    """What a round of turns gave.

    Attributes:
        took_s: Latency of each answered turn.
        traces: Trace id of each answered turn.
        lost: Turns without the answer that was due: none at all, an apology, or another intent's.
    """

    took_s: list[float] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    lost: int = 0


def new_turn_id() -> str:
    """Return a UUIDv7 (RFC 9562)."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | (7 << 76) | (secrets.randbits(12) << 64) | (2 << 62) | secrets.randbits(62)
    return str(uuid.UUID(int=value))


class SpokenSession:
    """One device that speaks."""

    def __init__(self, address: DeviceAddress, client: Client, intent: str) -> None:
        self._address = address
        self._client = client
        self._intent = intent
        self._answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._jetstream = client.jetstream()
        self._first: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._turn = ""

    @classmethod
    async def open(cls, url: str, credentials: Path, address: DeviceAddress, intent: str) -> SpokenSession:
        """Connect a device whose words mean `intent`."""
        client = await nats.connect(
            url.split(","),
            user_credentials=str(credentials),
            inbox_prefix=device_inbox(address.household, address.device),
        )
        session = cls(address, client, intent)
        await client.subscribe(f"device.{address.household}.{address.device}.down.speech.*", cb=session._speech)
        await client.subscribe(f"device.{address.household}.{address.device}.down.outcome.*", cb=session._outcome)
        await client.flush()
        return session

    async def _speech(self, message: Msg) -> None:
        if not self._first.done() and message.subject.endswith(self._turn):
            self._first.set_result(time.monotonic())

    async def _outcome(self, message: Msg) -> None:
        if not self._answered.done() and message.subject.endswith(self._turn):
            outcome = outcome_pb2.Outcome.FromString(message.data)
            right = outcome.kind == outcome_pb2.OUTCOME_KIND_ANSWERED and outcome.intent == self._intent
            self._answered.set_result(right)

    async def turn(self, tally: Tally) -> None:
        """Speak once; the clock runs from the last frame of speech to the first frame of the answer."""
        self._turn = new_turn_id()
        self._first = asyncio.get_running_loop().create_future()
        self._answered = asyncio.get_running_loop().create_future()
        spoken = audio_pb2.AudioFormat(
            encoding=audio_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=_RATE, channel_count=1
        )
        started = upstream_pb2.UtteranceStarted(
            turn_id=self._turn, boot_id="bench", format=spoken, playback_format=spoken, contract_version=1
        )
        started.start_time.GetCurrentTime()
        with telemetry.span("voice.turn"):
            headers: dict[str, str] = {}
            telemetry.inject(headers)
            await self._jetstream.publish(
                self._address.started("en-US", "stable"), started.SerializeToString(), headers=headers, timeout=10
            )
            subject = self._address.audio(self._turn)
            for sequence in range(_FRAMES):
                frame = upstream_pb2.AudioFrame(turn_id=self._turn, sequence=sequence, payload=_FRAME)
                frame.last = sequence == _FRAMES - 1
                await self._client.publish(subject, frame.SerializeToString())
                await self._client.flush() if frame.last else await asyncio.sleep(_FRAME_GAP_S)
            spoke = time.monotonic()
            try:
                heard = await asyncio.wait_for(self._first, _TURN_TIMEOUT_S)
                right = await asyncio.wait_for(self._answered, _TURN_TIMEOUT_S)
            except TimeoutError:
                right = False
            if not right:
                tally.lost += 1
                return
            tally.took_s.append(heard - spoke)
            tally.traces.append(telemetry.current_trace_id())

    async def close(self) -> None:
        """Disconnect."""
        await self._client.close()


class TypedSession:
    """One user who types."""

    def __init__(self, address: DeviceAddress, channel: grpc.aio.Channel, text: str, intent: str) -> None:
        self._address = address
        self._intent = intent
        self._stub = assistant_pb2_grpc.AssistantStub(channel)
        self._text = text

    async def turn(self, tally: Tally) -> None:
        """Type once; the clock runs from the call to its response."""
        request = assistant_pb2.ConverseRequest(
            household_id=self._address.household, device_id=self._address.device, text=self._text, locale="en-US"
        )
        with telemetry.span("voice.turn"):
            headers: dict[str, str] = {}
            telemetry.inject(headers)
            began = time.monotonic()
            try:
                response = await self._stub.Converse(request, timeout=_TURN_TIMEOUT_S, metadata=tuple(headers.items()))
            except grpc.aio.AioRpcError:
                tally.lost += 1
                return
            last = response.outcomes[-1]
            if last.kind == outcome_pb2.OUTCOME_KIND_ANSWERED and last.intent == self._intent:
                tally.took_s.append(time.monotonic() - began)
                tally.traces.append(telemetry.current_trace_id())
            else:
                tally.lost += 1

    async def close(self) -> None:
        """Nothing is held."""


Session = SpokenSession | TypedSession


async def closed_loop(sessions: list[Session], seconds: float, warm: Callable[[], None] | None = None) -> Tally:
    """Let every session take turn after turn for a time; return what came of it."""
    tally = Tally()
    give_up = time.monotonic() + seconds
    if warm is not None:
        warm()

    async def loop(session: Session) -> None:
        while time.monotonic() < give_up:
            await session.turn(tally)

    await asyncio.gather(*(loop(session) for session in sessions))
    return tally
