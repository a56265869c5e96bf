"""The chassis' bus against a real nats-server."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from chaos.cutting import Line
from earshot.asr.v1 import events_pb2
from earshot.device.v1 import upstream_pb2
from earshot_chassis.bus import Bus
from earshot_chassis.codec import CONTENT_TYPE, content_type
from earshot_chassis.consuming import REQUEST, Delivery
from earshot_chassis.errors import ConflictError, InvalidInputError, RetryableError
from earshot_chassis.settings import ServiceSettings
from earshot_topology.streams import ASR_STARTED, NLU_TRANSCRIBED
from earshot_topology.subjects import DeviceAddress
from support.nats import NatsServer, nats_server

DEVICE = DeviceAddress("h1", "d1")
PROTOBUF = {CONTENT_TYPE: content_type(events_pb2.TurnTranscribed)}


@pytest.fixture
async def server(tmp_path: Path):
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path) as running:
        yield running


async def connected(server: NatsServer, name: str = "nlu") -> Bus:
    """Return a service's bus."""
    bus = Bus(name, ServiceSettings(nats_url=server.url))
    await bus.connect()
    return bus


def transcribed(turn: str) -> events_pb2.TurnTranscribed:
    """Return an event of a turn."""
    event = events_pb2.TurnTranscribed()
    event.turn.turn_id = turn
    return event


async def until(condition, timeout_s: float = 5.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", ["handler", "worker"])
async def test_message_is_handled_once_and_acked(server: NatsServer, path: str) -> None:
    """Both consumer paths give a handler the message and remove it from the work queue."""
    bus = await connected(server)
    seen: list[tuple[str, int]] = []

    async def handle(event: events_pb2.TurnTranscribed, delivery: Delivery) -> None:
        seen.append((event.turn.turn_id, delivery.num_delivered))

    getattr(bus, path)(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle, concurrency=3)
    await bus.start()
    for index in range(20):
        await bus.publish("turn.transcribed", transcribed(f"t{index}"), msg_id=f"t{index}")
    await until(lambda: len(seen) == 20)
    await bus.stop_consuming(5)
    assert sorted(seen) == sorted((f"t{index}", 1) for index in range(20))
    info = await bus.jetstream.stream_info("TURNS")
    assert info.state.messages == 0
    await bus.close()


@pytest.mark.parametrize("path", ["handler", "worker"])
async def test_retryable_failure_is_delivered_again(server: NatsServer, path: str) -> None:
    """A RetryableError costs a delay, not the message."""
    bus = await connected(server)
    deliveries: list[int] = []

    async def handle(_event: events_pb2.TurnTranscribed, delivery: Delivery) -> None:
        deliveries.append(delivery.num_delivered)
        if delivery.num_delivered < 3:
            raise RetryableError("not yet")

    getattr(bus, path)(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle)
    await bus.start()
    await bus.publish("turn.transcribed", transcribed("t1"))
    await until(lambda: len(deliveries) == 3)
    await bus.stop_consuming(5)
    assert deliveries == [1, 2, 3]
    await bus.close()


@pytest.mark.parametrize("path", ["handler", "worker"])
async def test_malformed_and_refused_messages_are_parked(server: NatsServer, path: str) -> None:
    """Bytes that do not parse, and input that a handler refuses, end on the dead-letter stream with their reason."""
    bus = await connected(server)
    handled: list[str] = []

    async def handle(event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        if event.turn.turn_id == "bad":
            raise InvalidInputError("no such turn", code="unknown_turn")
        handled.append(event.turn.turn_id)

    getattr(bus, path)(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle)
    await bus.start()
    await bus.jetstream.publish("turn.transcribed", b"\xff\xff\xff", headers={"traceparent": "00-aa"})
    await bus.publish("turn.transcribed", transcribed("bad"))
    await bus.publish("turn.transcribed", transcribed("good"))
    await until(lambda: handled == ["good"])

    async def parked() -> int:
        return (await bus.jetstream.stream_info("PARKED")).state.messages

    async with asyncio.timeout(5):
        while await parked() < 2:
            await asyncio.sleep(0.02)
    first = await bus.jetstream.get_msg("PARKED", 1)
    second = await bus.jetstream.get_msg("PARKED", 2)
    assert first.subject == "parked.nlu._"
    assert first.data == b"\xff\xff\xff"
    assert first.headers["Earshot-Parked-Code"] == "malformed_payload"
    assert first.headers["Earshot-Parked-Subject"] == "turn.transcribed"
    assert first.headers["traceparent"] == "00-aa"
    assert second.headers["Earshot-Parked-Code"] == "unknown_turn"
    await bus.stop_consuming(5)
    await bus.close()


async def test_compare_and_set_has_one_winner(server: NatsServer) -> None:
    """Of two publishers that expect an empty subject, one is refused with ConflictError."""
    bus = await connected(server)
    subject = DEVICE.turn_outcome("t1")

    async def claim() -> str:
        try:
            await bus.publish(subject, transcribed("t1"), expected_last_subject_sequence=0)
        except ConflictError:
            return "lost"
        return "won"

    assert sorted(await asyncio.gather(claim(), claim(), claim())) == ["lost", "lost", "won"]
    await bus.close()


async def test_worker_keeps_a_long_message_by_heartbeats(server: NatsServer) -> None:
    """A message that takes longer than the ack wait is not delivered to anybody else meanwhile."""
    bus = await connected(server, "asr")
    seen: list[int] = []
    done = asyncio.Event()

    async def handle(_event: upstream_pb2.UtteranceStarted, delivery: Delivery) -> None:
        seen.append(delivery.num_delivered)
        await asyncio.sleep(ASR_STARTED.ack_wait_s * 2)
        done.set()

    bus.worker(ASR_STARTED, upstream_pb2.UtteranceStarted, handle, concurrency=4)
    await bus.start()
    await bus.publish(DEVICE.started("en-US", "stable"), upstream_pb2.UtteranceStarted(turn_id="t1"))
    await asyncio.wait_for(done.wait(), 10)
    assert seen == [1]
    await bus.stop_consuming(5)
    await bus.close()


async def test_drain_finishes_what_is_in_progress(server: NatsServer) -> None:
    """stop_consuming waits for the handler in progress and leaves the rest of the queue to others."""
    bus = await connected(server)
    finished: list[str] = []
    began = asyncio.Event()

    async def handle(event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        began.set()
        await asyncio.sleep(0.5)
        finished.append(event.turn.turn_id)

    bus.worker(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle, concurrency=1)
    await bus.start()
    for turn in ("t1", "t2", "t3"):
        await bus.publish("turn.transcribed", transcribed(turn))
    await began.wait()
    await bus.stop_consuming(5)
    assert finished == ["t1"]
    async with asyncio.timeout(1):
        # Well below the ack wait: a stranded message would still be pending then.
        while (await bus.jetstream.consumer_info("TURNS", "nlu")).num_ack_pending:
            await asyncio.sleep(0.02)
    assert (await bus.jetstream.consumer_info("TURNS", "nlu")).num_pending == 2
    await bus.close()


@pytest.mark.parametrize("path", ["handler", "worker"])
async def test_drain_handles_what_comes_for_a_request_that_stands(server: NatsServer, path: str) -> None:
    """A message that an idle loop is given during a drain is handled there, not left for the ack wait to run out."""
    bus, sender = await connected(server), await connected(server)
    handled: list[tuple[str, int]] = []

    async def handle(event: events_pb2.TurnTranscribed, delivery: Delivery) -> None:
        handled.append((event.turn.turn_id, delivery.num_delivered))

    getattr(bus, path)(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle, concurrency=2)
    await bus.start()
    async with asyncio.timeout(5):
        while not (await sender.jetstream.consumer_info("TURNS", "nlu")).num_waiting:
            await asyncio.sleep(0.02)
    stopping = asyncio.create_task(bus.stop_consuming(5))
    await asyncio.sleep(0)
    await sender.publish("turn.transcribed", transcribed("t1"))
    await stopping
    assert handled == [("t1", 1)]
    info = await sender.jetstream.consumer_info("TURNS", "nlu")
    assert (info.num_ack_pending, info.num_waiting) == (0, 0)
    await bus.close()
    await sender.close()


async def test_readiness_sees_a_deleted_consumer(server: NatsServer) -> None:
    """A durable that disappears makes the service unready, though its connection is fine."""
    bus = await connected(server)

    async def handle(_event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        pass

    bus.handler(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle)
    await bus.start()
    assert await bus.ready() == ""
    await bus.jetstream.delete_consumer("TURNS", "nlu")
    assert "TURNS/nlu" in await bus.ready()
    await bus.stop_consuming(5)
    await bus.close()


async def test_publish_rides_out_a_restart_of_the_server(server: NatsServer) -> None:
    """A publish that meets a dead server succeeds when the server is back."""
    bus = await connected(server)
    server.kill()
    publishing = asyncio.create_task(bus.publish("turn.transcribed", transcribed("t1")))
    await asyncio.sleep(0.5)
    server.start()
    stored = await asyncio.wait_for(publishing, 12)
    assert (stored.stream, stored.sequence) == ("TURNS", 1)
    await bus.close()


async def test_responder_answers_errors_with_their_code(server: NatsServer) -> None:
    """A request that is refused is answered with the error's code, malformed ones included."""
    bus = await connected(server)

    async def respond(request: upstream_pb2.UploadStatusRequest, _subject: str) -> upstream_pb2.UploadStatusResponse:
        if not request.turn_id:
            raise InvalidInputError("no turn", code="turn_missing")
        return upstream_pb2.UploadStatusResponse(next_sequence=7)

    await bus.responder("device.*.*.up.resume", upstream_pb2.UploadStatusRequest, respond, queue="asr")
    good = await bus.client.request(
        DEVICE.resume(), upstream_pb2.UploadStatusRequest(turn_id="t").SerializeToString(), timeout=2
    )
    assert upstream_pb2.UploadStatusResponse.FromString(good.data).next_sequence == 7
    refused = await bus.client.request(DEVICE.resume(), b"", timeout=2)
    assert refused.headers["error-code"] == "turn_missing"
    malformed = await bus.client.request(DEVICE.resume(), b"\xff", timeout=2)
    assert malformed.headers["error-code"] == "malformed_payload"
    await bus.close()


@pytest.mark.parametrize("path", ["handler", "worker"])
async def test_drain_handles_what_comes_late_on_a_busy_machine(server: NatsServer, path: str) -> None:
    """What the server sent before it heard of our leaving is handled here, though its request has long run out."""
    line = Line()
    line.leads_to(server.url)
    async with line.open():
        bus, client = Bus("nlu", ServiceSettings(nats_url=line.url)), await server.connect()
        await bus.connect()
        seen: list[int] = []

        async def handle(_event: events_pb2.TurnTranscribed, delivery: Delivery) -> None:
            seen.append(delivery.num_delivered)

        getattr(bus, path)(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle)
        await bus.start()
        jetstream = client.jetstream()
        async with asyncio.timeout(10):
            while not (await jetstream.consumer_info("TURNS", "nlu")).num_waiting:
                await asyncio.sleep(0.01)
        async with line.deaf():
            await jetstream.publish("turn.transcribed", transcribed("t1").SerializeToString())
            stopping = asyncio.create_task(bus.stop_consuming(5))
            # Longer than a request stands, and longer than anybody waits for its end.
            await asyncio.sleep(1.75)
        await stopping
        assert seen == [1]
        await bus.close()
        await client.close()


@pytest.mark.parametrize("path", ["handler", "worker"])
async def test_consuming_goes_on_after_a_restart_of_the_server(server: NatsServer, path: str) -> None:
    """A consumer that lost its server takes what is published when the server is back."""
    bus = await connected(server)
    seen: list[str] = []

    async def handle(event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        seen.append(event.turn.turn_id)

    getattr(bus, path)(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle, concurrency=2)
    await bus.start()
    await bus.publish("turn.transcribed", transcribed("before"))
    await until(lambda: seen == ["before"])
    server.kill()
    server.start()
    await bus.publish("turn.transcribed", transcribed("after"))
    await until(lambda: "after" in seen, 8)
    await bus.stop_consuming(5)
    await bus.close()


@pytest.mark.parametrize("path", ["handler", "worker"])
async def test_busy_replica_leaves_work_to_an_idle_one(server: NatsServer, path: str) -> None:
    """A replica holds no more messages than it handles: what does not fit goes to the other one at once."""
    busy, idle = await connected(server), await connected(server)
    held: list[str] = []
    taken: list[str] = []
    release = asyncio.Event()

    async def hold(event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        held.append(event.turn.turn_id)
        await release.wait()

    async def take(event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        taken.append(event.turn.turn_id)

    getattr(busy, path)(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, hold, concurrency=2)
    await busy.start()
    for index in range(6):
        await busy.publish("turn.transcribed", transcribed(f"t{index}"))
    await until(lambda: len(held) == 2)
    getattr(idle, path)(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, take, concurrency=1)
    await idle.start()
    await until(lambda: len(taken) == 4, 2)
    release.set()
    for bus in (busy, idle):
        await bus.stop_consuming(5)
        await bus.close()
    assert sorted(held + taken) == [f"t{index}" for index in range(6)]


async def test_worker_without_its_consumer_asks_in_moderation(server: NatsServer) -> None:
    """A worker whose durable is gone does not spin, says so, and goes on when the durable is back."""
    bus = await connected(server)
    seen: list[str] = []

    async def handle(event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        seen.append(event.turn.turn_id)

    bus.worker(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle)
    await bus.start()
    await bus.jetstream.delete_consumer("TURNS", "nlu")
    await asyncio.sleep(0.3)
    sent = bus.client.stats["out_msgs"]
    await asyncio.sleep(1.0)
    assert bus.client.stats["out_msgs"] - sent < 10
    await bus.jetstream.add_consumer("TURNS", NLU_TRANSCRIBED.config())
    await bus.publish("turn.transcribed", transcribed("t1"))
    await until(lambda: seen == ["t1"])
    await bus.stop_consuming(5)
    await bus.close()


async def test_a_late_word_about_a_request_ends_no_other(server: NatsServer) -> None:
    """A request that still stands is not asked anew: what it brings would be for nobody, should the worker leave."""
    bus = await connected(server)
    other = await server.connect()
    asked: list[str] = []

    async def late(request: Msg) -> None:
        asked.append(request.reply)
        inbox, _, number = request.reply.rpartition(".")
        await other.publish(f"{inbox}.{int(number) - 1}", headers={"Status": "408"})

    await other.subscribe("$JS.API.CONSUMER.MSG.NEXT.TURNS.nlu", cb=late)
    await other.flush()

    async def handle(_event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        pass

    bus.worker(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle)
    await bus.start()
    await until(lambda: len(asked) == 3, 10.0)
    began = time.monotonic()
    await until(lambda: len(asked) == 5, 10.0)
    # Each stands for a time of its own.
    assert time.monotonic() - began > 1.5 * REQUEST * NLU_TRANSCRIBED.ack_wait_s
    await bus.stop_consuming(5)
    await bus.close()
    await other.close()


async def test_worker_keeps_its_bound_when_a_frozen_server_wakes(server: NatsServer) -> None:
    """Requests that were given up meanwhile are answered as well: a few messages more, and not all that there are."""
    bus = await connected(server)
    other = await server.connect()
    busy, most, seen = 0, 0, 0

    async def handle(_event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        nonlocal busy, most, seen
        busy, seen = busy + 1, seen + 1
        most = max(most, busy)
        await asyncio.sleep(0.3)
        busy -= 1

    bus.worker(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle, concurrency=2)
    await bus.start()
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    for index in range(40):
        await other.publish("turn.transcribed", transcribed(f"t{index}").SerializeToString(), headers=PROTOBUF)
    # Two requests are sent and given up in this time; a little more, and the connection would be.
    await asyncio.sleep(2.9)
    server.process.send_signal(signal.SIGCONT)
    await until(lambda: seen == 40, 20.0)
    assert most <= 8
    await bus.stop_consuming(5)
    await bus.close()
    await other.close()
