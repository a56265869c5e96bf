"""The whole stack for tests of turns, and what a test does with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import nats
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg

from earshot.common.v1 import audio_pb2
from earshot.dialogue.v1 import assistant_pb2, assistant_pb2_grpc, outcome_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot.tts.v1 import synthesizer_pb2, synthesizer_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_device import Device, DeviceSettings, Sink
from earshot_device.core.events import Happening
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from support.browsing import browser

SPEECH_RATE = 16_000


@dataclass(slots=True)
class Typed:
    """A typed turn."""

    outcomes: list[outcome_pb2.Outcome]
    hypotheses: list[interpreter_pb2.Hypothesis]

    @property
    def answer(self) -> str:
        """The words of the answer."""
        return " ".join(prompt.text for outcome in self.outcomes for prompt in outcome.prompts)

    @property
    def keys(self) -> list[str]:
        """The keys of its prompts."""
        return [prompt.key for outcome in self.outcomes for prompt in outcome.prompts]


async def converse(stack: Stack, text: str, locale: str, address: DeviceAddress, **more: Any) -> Typed:
    """Type one turn."""
    async with connect(stack.grpc_target("dialogue")) as channel:
        response = await assistant_pb2_grpc.AssistantStub(channel).Converse(
            assistant_pb2.ConverseRequest(
                household_id=address.household, device_id=address.device, text=text, locale=locale, **more
            ),
            timeout=12,
        )
    return Typed(list(response.outcomes), list(response.hypotheses))


async def speech(stack: Stack, text: str, locale: str) -> Any:
    """Return a spoken phrase, int16, shape (n,), 16 kHz, from the TTS service."""
    import numpy as np  # noqa: PLC0415 - half of the tests need none

    audio = audio_pb2.AudioFormat(
        encoding=audio_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=SPEECH_RATE, channel_count=1
    )
    request = synthesizer_pb2.SynthesizeRequest(text=text, locale=locale, format=audio)
    async with connect(stack.grpc_target("tts")) as channel:
        call = synthesizer_pb2_grpc.SynthesizerStub(channel).Synthesize(request, timeout=20)
        return np.frombuffer(b"".join([part.audio async for part in call]), np.int16)


def device(
    stack: Stack,
    address: DeviceAddress,
    locale: str = "en-US",
    *,
    sink: Sink | None = None,
    happened: Callable[[Happening], None] | None = None,
    **settings: Any,
) -> Device:
    """Return a device of the stack, not yet open. It speaks and plays faster than real time unless told otherwise."""
    options: dict[str, Any] = {"capture_speed": 4.0, "playback_speed": 8.0} | settings
    return Device(
        DeviceSettings(
            nats_url=stack.nats_url,
            household_id=address.household,
            device_id=address.device,
            credentials=stack.device_credentials(*address),
            locale=locale,
            **options,
        ),
        sink=sink,
        happened=happened,
    )


async def spans_of(stack: Stack, trace_id: str, done: Any, timeout_s: float = 6.0) -> list[dict[str, Any]]:
    """Return a trace's spans as soon as `done(spans)` holds, or what there is when the time is over."""
    give_up = time.monotonic() + timeout_s
    async with browser(base_url=stack.traces_url) as client:
        while True:
            answer = await client.get(f"/api/traces/{trace_id}")
            spans = answer.json()["spans"] if answer.status_code == httpx.codes.OK else []
            if done(spans) or time.monotonic() > give_up:
                return spans
            await asyncio.sleep(0.2)


@dataclass(slots=True)
class Recording:
    """Everything on the bus while it runs, as an administrator hears it."""

    client: Client
    messages: list[Msg] = field(default_factory=list)

    @classmethod
    async def of(cls, stack: Stack, *subjects: str) -> Recording:
        """Start to listen."""
        client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
        recording = cls(client)

        async def receive(message: Msg) -> None:
            recording.messages.append(message)

        for subject in subjects:
            await client.subscribe(subject, cb=receive)
        await client.flush()
        return recording

    async def stop(self) -> list[Msg]:
        """Stop to listen; return what was heard."""
        await self.client.drain()
        return self.messages


def parsed(message: Msg, kind: type[Message]) -> Message:
    """Return a message's payload."""
    return kind.FromString(message.data)
