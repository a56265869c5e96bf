"""Spoiled requests to every gRPC method that the contracts define, and bytes that are no gRPC at all."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from earshot.asr.v1 import recognizer_pb2
from earshot.dialogue.v1 import assistant_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot.schedule.v1 import schedule_pb2
from earshot.skill.v1 import skill_pb2
from earshot.tts.v1 import synthesizer_pb2
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from fuzz import plausible
from fuzz.accounting import Account
from fuzz.mutations import Spoiler

_CALL_S = 8.0
_SOCKET_S = 12.0
_AT_ONCE = 16

# UNKNOWN and INTERNAL are what becomes of exceptions that nobody mapped; a deadline is ours: nobody answered.
_NO_ANSWER = {
    grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE
}  # fmt: skip

# Which service of the stack implements which contract.
_SERVERS = (
    ("asr", recognizer_pb2), ("dialogue", assistant_pb2), ("nlu", interpreter_pb2), ("tts", synthesizer_pb2),
    ("scheduler", schedule_pb2), ("clock", skill_pb2),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method and the service that is asked for it."""

    service: str
    path: str
    request: type[Message]
    client_streaming: bool
    server_streaming: bool


def methods(running: set[str]) -> Iterator[Method]:
    """Yield every method of the contracts that a running service implements."""
    for service, module in _SERVERS:
        if service in running:
            for contract in module.DESCRIPTOR.services_by_name.values():
                yield from (_method(service, found) for found in contract.methods)


def _method(service: str, found: MethodDescriptor) -> Method:
    return Method(
        service=service,
        path=f"/{found.containing_service.full_name}/{found.name}",
        request=GetMessageClass(found.input_type),
        client_streaming=found.client_streaming,
        server_streaming=found.server_streaming,
    )


async def call(stack: Stack, method: Method, count: int, rng: random.Random, account: Account) -> None:
    """Call a method with spoiled requests: each ends with a status that says something, in time."""
    spoiler = Spoiler(rng, [GetMessageClass(found.input_type) for found in _inputs()])
    room = asyncio.Semaphore(_AT_ONCE)
    async with grpc.aio.insecure_channel(stack.grpc_target(method.service)) as channel, asyncio.TaskGroup() as group:
        for number in range(count):
            address = DeviceAddress("fuzz-home", f"caller{number % 50}")
            good = plausible.message(method.request, address, f"turn-{rng.getrandbits(64):x}", rng)
            spoiled = spoiler.spoil(good) if rng.random() > 0.01 else spoiler.oversized(good)
            payload = spoiled.payload * (80 if spoiled.mutation == "oversized" else 1)
            account.sent += 1
            await room.acquire()
            task = group.create_task(_call(channel, method, payload, account))
            task.add_done_callback(lambda _task: room.release())


async def _call(channel: grpc.aio.Channel, method: Method, payload: bytes, account: Account) -> None:
    async def requests() -> AsyncIterator[bytes]:
        # One is enough: a client that is still writing when the server ends the call sees its own core's INTERNAL.
        yield payload

    argument = requests() if method.client_streaming else payload
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    started = getattr(channel, kind)(method.path)(argument, timeout=_CALL_S)
    try:
        if method.server_streaming:
            async for _ in started:
                pass
        else:
            await started
    except grpc.aio.AioRpcError as error:
        if error.code() in _NO_ANSWER:
            account.unanswered += 1
        else:
            account.refused[error.code().name] += 1
    else:
        account.answered += 1


def _inputs() -> Iterator[MethodDescriptor]:
    for _, module in _SERVERS:
        for contract in module.DESCRIPTOR.services_by_name.values():
            yield from contract.methods


async def junk(stack: Stack, count: int, rng: random.Random, account: Account) -> None:
    """Open connections to the bus, to gRPC and to health servers, say nonsense and half-close: each is closed."""
    ends = [urlsplit(stack.nats_url)] + [
        urlsplit(f"//{target}")
        for name in ("asr", "dialogue", "nlu", "tts")
        for target in stack.grpc_target(name).removeprefix("ipv4:").split(",")
    ]
    ends += [urlsplit(stack.http(name)) for name in ("asr", "dialogue", "nlu", "tts")]
    room = asyncio.Semaphore(_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            end = rng.choice(ends)
            account.sent += 1
            await room.acquire()
            task = group.create_task(_junk(str(end.hostname), int(end.port or 0), _nonsense(rng), account))
            task.add_done_callback(lambda _task: room.release())


def _nonsense(rng: random.Random) -> bytes:
    return rng.choice(
        (
            rng.randbytes(rng.choice((1, 100, 5_000))),
            b"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rng.randbytes(50),
            b'CONNECT {"verbose":false,"jwt":"x.y.z"}\r\nPUB device.a.b.up.event 10485760\r\n',
            b"HPUB turn.transcribed 99999999 5\r\n",
            b"\r\n" * 2_000,
            b"",
        )
    )


async def _junk(host: str, port: int, data: bytes, account: Account) -> None:
    try:
        async with asyncio.timeout(_SOCKET_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(data)
                await writer.drain()
                with contextlib.suppress(OSError):
                    writer.write_eof()
                while await reader.read(65_536):
                    pass
            finally:
                writer.close()
    except TimeoutError:
        account.unanswered += 1
    except OSError:
        account.refused["connection reset"] += 1
    else:
        account.refused["connection closed"] += 1
