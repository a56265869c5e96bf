"""The raw floor: what the hops of a turn cost with bare nats-py and grpcio on the same server, measured in the same run.

Every hop is measured between two processes, as in production, with a payload of a typical event and without tracing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, KeyValueConfig, RetentionPolicy, StorageType, StreamConfig

from bench.results import percentile

_EVENT = b"x" * 400
_FRAME = b"x" * 1400
_STREAM = "BENCH_FLOOR"


@dataclass(frozen=True, slots=True)
class Floor:
    """Medians in milliseconds."""

    core_one_way: float
    publish_to_fetch: float
    publish_ack: float
    kv_get: float
    kv_put: float
    grpc_stream: float


async def measure(url: str, credentials: Path, rounds: int = 400) -> Floor:
    """Measure every hop on a running server.

    Args:
        url: The server.
        credentials: A user that may manage streams.
        rounds: Repetitions of each hop.
    """
    client = await nats.connect(url, user_credentials=str(credentials))
    jetstream = client.jetstream()
    await jetstream.add_stream(
        StreamConfig(
            name=_STREAM,
            subjects=["benchfloor.js.*"],
            storage=StorageType.FILE,
            retention=RetentionPolicy.WORK_QUEUE,
        )
    )
    await jetstream.add_consumer(_STREAM, ConsumerConfig(durable_name="floor", ack_policy=AckPolicy.EXPLICIT))
    bucket = await jetstream.create_key_value(KeyValueConfig(bucket=_STREAM))
    responder = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.floor", url, str(credentials), stdin=-1, stdout=-1, cwd=Path(__file__).parents[1]
    )
    try:
        assert responder.stdout is not None
        port = int(await responder.stdout.readline())
        await bucket.put("key", _EVENT)
        return Floor(
            core_one_way=await _answered(client, "benchfloor.core", rounds, _FRAME, jetstream=False),
            publish_to_fetch=await _answered(client, "benchfloor.js.event", rounds, _EVENT, jetstream=True),
            publish_ack=await _median(lambda: jetstream.publish("benchfloor.js.ignored", _EVENT), rounds),
            kv_get=await _median(lambda: bucket.get("key"), rounds),
            kv_put=await _median(lambda: bucket.put("key", _EVENT), rounds),
            grpc_stream=await _grpc(port, rounds),
        )
    finally:
        assert responder.stdin is not None
        responder.stdin.close()
        await responder.wait()
        await jetstream.delete_stream(_STREAM)
        await jetstream.delete_key_value(_STREAM)
        await client.close()


async def _answered(client: Client, subject: str, rounds: int, payload: bytes, *, jetstream: bool) -> float:
    """Time from here to the other process: its clock is read there, and both read the same one."""
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def receive(message: Msg) -> None:
        arrived.put_nowait(float(message.data))

    subscription = await client.subscribe("benchfloor.arrived", cb=receive)
    context = client.jetstream()
    took = []
    for _ in range(rounds):
        started = time.monotonic()
        if jetstream:
            await context.publish(subject, payload)
        else:
            await client.publish(subject, payload)
        took.append(await asyncio.wait_for(arrived.get(), 5) - started)
    await subscription.unsubscribe()
    return percentile(took, 0.5) * 1e3


async def _median(call: Callable[[], Awaitable[object]], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        started = time.monotonic()
        await call()
        took.append(time.monotonic() - started)
    return percentile(took, 0.5) * 1e3


async def _grpc(port: int, rounds: int) -> float:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_stream("/bench.Floor/Call")

        async def once() -> None:
            async for _ in call(_EVENT):
                pass

        await once()
        return await _median(once, rounds)


class _Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Answer every method with one message."""
        del handler_call_details

        async def stream(_request: bytes, _context: object):
            yield _EVENT

        return grpc.unary_stream_rpc_method_handler(stream)


async def _respond(url: str, credentials: str) -> None:
    """Run the other process: say when messages arrive, answer calls, until standard input closes."""
    client = await nats.connect(url, user_credentials=credentials)

    async def core(_message: Msg) -> None:
        await client.publish("benchfloor.arrived", repr(time.monotonic()).encode())

    await client.subscribe("benchfloor.core", cb=core)
    subscription = await client.jetstream().pull_subscribe_bind("floor", _STREAM)

    async def fetch() -> None:
        while True:
            with contextlib.suppress(TimeoutError, nats.errors.TimeoutError):
                for message in await subscription.fetch(1, timeout=1):
                    if message.subject.endswith("event"):
                        await client.publish("benchfloor.arrived", repr(time.monotonic()).encode())
                    await message.ack()

    fetching = asyncio.create_task(fetch())
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await client.flush()
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    fetching.cancel()
    await asyncio.gather(fetching, return_exceptions=True)
    await server.stop(0)
    await client.close()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_respond(sys.argv[1], sys.argv[2]))
