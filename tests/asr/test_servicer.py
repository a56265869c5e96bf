"""The Recognizer over gRPC."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import grpc
import numpy as np
import pytest

from earshot.asr.v1 import events_pb2, recognizer_pb2, recognizer_pb2_grpc
from earshot.common.v1 import audio_pb2
from earshot.device.v1 import downstream_pb2
from earshot_asr.endpointing import EndpointingRules
from earshot_asr.recognition import Recognizer
from earshot_asr.servicer import RecognizerServicer
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_errors import from_rpc_error
from earshot_chassis.rpc_server import GrpcServer
from support.hearing import frames_of
from support.recognition import DigestEngine, LoudnessPool, digest, silence, speech

LINEAR16 = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=16_000, channel_count=1)


@dataclass(kw_only=True)
class Served:
    """A server and a client of it."""

    engine: DigestEngine
    pool: LoudnessPool
    stub: recognizer_pb2_grpc.RecognizerStub


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """Serve two calls at once."""
    engine, pool = DigestEngine(), LoudnessPool()
    server = GrpcServer()
    servicer = RecognizerServicer(Recognizer(engine, pool, EndpointingRules()), calls=2)
    server.add(recognizer_pb2_grpc.add_RecognizerServicer_to_server, servicer, "earshot.asr.v1.Recognizer")
    port = await server.start("127.0.0.1", 0)
    channel = connect(f"127.0.0.1:{port}")
    yield Served(engine=engine, pool=pool, stub=recognizer_pb2_grpc.RecognizerStub(channel))
    await channel.close()
    await server.stop(0)


def config(**changes: object) -> recognizer_pb2.RecognizeRequest:
    """Return a call's first message."""
    fields: dict[str, object] = {"locale": "en-US", "format": LINEAR16, "interim_results": True}
    return recognizer_pb2.RecognizeRequest(config=recognizer_pb2.RecognitionConfig(**(fields | changes)))  # type: ignore[arg-type]


def audio(*payloads: bytes) -> list[recognizer_pb2.RecognizeRequest]:
    """Return the messages of some frames."""
    return [recognizer_pb2.RecognizeRequest(audio=payload) for payload in payloads]


async def recognize(
    served: Served, *requests: recognizer_pb2.RecognizeRequest
) -> list[recognizer_pb2.RecognizeResponse]:
    """Return all responses to some messages."""

    async def say() -> AsyncIterator[recognizer_pb2.RecognizeRequest]:
        for request in requests:
            yield request
            await asyncio.sleep(0)

    return [response async for response in served.stub.Recognize(say(), timeout=5)]


async def test_a_call_from_config_to_final(served: Served) -> None:
    """Interim results, the endpoint and the final result come in this order; audio after the endpoint is dropped."""
    said = np.concatenate([speech(1.0), silence(1.5)])
    responses = await recognize(served, config(), *audio(*frames_of(said)))
    kinds = [response.WhichOneof("response") for response in responses]
    assert kinds[:-2] == ["interim"] * (len(kinds) - 2)
    assert len(kinds) > 2
    assert kinds[-2:] == ["endpoint", "final"]
    assert responses[-2].endpoint.reason == downstream_pb2.ENDPOINT_REASON_SILENCE
    assert responses[-1].final.alternatives[0].transcript == digest(bytes(served.engine.streams[0].pcm))
    assert responses[-1].final.engine == "digest/1"
    assert served.pool.in_use == 0


async def test_the_half_close_ends_an_utterance(served: Served) -> None:
    """Without endpointing the call goes on, through silence, to the client's half-close."""
    said = np.concatenate([speech(0.4), silence(2.0), speech(0.4)])
    responses = await recognize(served, config(disable_endpointing=True), *audio(*frames_of(said)))
    assert responses[-2].endpoint.reason == downstream_pb2.ENDPOINT_REASON_DEVICE
    assert responses[-1].final.alternatives[0].transcript == digest(said.tobytes())


async def test_silence_is_no_speech(served: Served) -> None:
    """Nobody spoke: a final result without alternatives, no error."""
    responses = await recognize(served, config(), *audio(*frames_of(silence(1.0))))
    assert responses[-1].final.rejection == events_pb2.REJECTION_NO_SPEECH


@pytest.mark.parametrize(
    ("requests", "status", "code"),
    [
        ([], grpc.StatusCode.INVALID_ARGUMENT, "missing_config"),
        (audio(b"\0\0"), grpc.StatusCode.INVALID_ARGUMENT, "missing_config"),
        ([config(), config()], grpc.StatusCode.INVALID_ARGUMENT, "unexpected_config"),
        ([config(locale="tlh-QO")], grpc.StatusCode.INVALID_ARGUMENT, "unsupported_locale"),
        ([config(locale="")], grpc.StatusCode.INVALID_ARGUMENT, "unsupported_locale"),
        ([config(format=audio_pb2.AudioFormat())], grpc.StatusCode.INVALID_ARGUMENT, "unsupported_encoding"),
        ([config(), *audio(b"odd")], grpc.StatusCode.INVALID_ARGUMENT, "odd_byte_count"),
        ([config(), *audio(b"\0" * 60_000)], grpc.StatusCode.INVALID_ARGUMENT, "frame_too_large"),
    ],
)
async def test_what_is_wrong_is_a_status_with_a_code(
    served: Served, requests: list[recognizer_pb2.RecognizeRequest], status: grpc.StatusCode, code: str
) -> None:
    """A call that can't be served ends with the contract's status and a reason."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await recognize(served, *requests)
    assert caught.value.code() is status
    assert from_rpc_error(caught.value).code == code
    assert served.pool.in_use == 0


async def test_places_are_bounded_and_given_back(served: Served) -> None:
    """A third call at once is told that there is no room; when one has been cancelled there is."""
    hold = asyncio.Event()

    async def listen() -> AsyncIterator[recognizer_pb2.RecognizeRequest]:
        yield config()
        await hold.wait()

    calls = [served.stub.Recognize(listen(), timeout=10) for _ in range(2)]
    async with asyncio.timeout(5):
        while len(served.engine.streams) < 2:
            await asyncio.sleep(0.01)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await recognize(served, config())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    for call in calls:
        call.cancel()
    hold.set()
    async with asyncio.timeout(5):
        while served.pool.in_use:
            await asyncio.sleep(0.01)
    assert (await recognize(served, config(), *audio(*frames_of(speech(0.4)))))[-1].final.alternatives


async def test_who_is_refused_learns_why_though_it_was_writing(served: Served) -> None:
    """Each of many calls that find no place is told so; one that says nothing is, too."""
    hold = asyncio.Event()

    async def listen() -> AsyncIterator[recognizer_pb2.RecognizeRequest]:
        yield config()
        await hold.wait()

    calls = [served.stub.Recognize(listen(), timeout=60) for _ in range(2)]
    async with asyncio.timeout(50):
        while len(served.engine.streams) < 2:
            await asyncio.sleep(0.01)
        refused: Counter[tuple[grpc.StatusCode, str]] = Counter()
        for number in range(200):
            call = served.stub.Recognize(timeout=60)
            # From calls that are refused before they write to calls that are refused after it.
            await asyncio.sleep(number % 8 * 0.0005)
            if number:
                with suppress(asyncio.InvalidStateError):
                    await call.write(config())
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            refused[caught.value.code(), from_rpc_error(caught.value).code] += 1
    assert refused == {(grpc.StatusCode.RESOURCE_EXHAUSTED, "recognizer_busy"): 200}
    for call in calls:
        call.cancel()


async def test_engines_are_listed(served: Served) -> None:
    """Locales that are meant for trying out are listed apart."""
    response = await served.stub.ListEngines(recognizer_pb2.ListEnginesRequest(), timeout=5)
    assert [(engine.name, list(engine.locales), engine.experimental) for engine in response.engines] == [
        ("digest", ["en-US"], False),
        ("digest", ["zh-CN"], True),
    ]
