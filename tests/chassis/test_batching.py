"""What comes in crowds: handled together, settled one by one; many requests in flight; scheduled messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from earshot.asr.v1 import events_pb2
from earshot_chassis import batching, consuming, telemetry
from earshot_chassis.batching import Received
from earshot_chassis.bus import Bus
from earshot_chassis.codec import encode
from earshot_chassis.errors import ConflictError, InvalidInputError, OverloadedError, RetryableError
from earshot_chassis.pipeline import Pipeline, Write
from earshot_chassis.publishing import Stored
from earshot_chassis.scheduling import DuePurger, publish_at, withdraw
from earshot_chassis.settings import ServiceSettings
from earshot_topology.streams import DIALOGUE_DEADLINE, NLU_TRANSCRIBED
from support.nats import NatsServer, nats_server

Items = Sequence[Received[events_pb2.TurnTranscribed]]


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def bus(server: NatsServer) -> AsyncIterator[Bus]:
    """Connect a service."""
    connected = Bus("nlu", ServiceSettings(nats_url=server.url))
    await connected.connect()
    yield connected
    await connected.stop_consuming(2.0)
    await connected.close()


def turn(name: str) -> events_pb2.TurnTranscribed:
    """Return a message."""
    event = events_pb2.TurnTranscribed()
    event.turn.turn_id = name
    return event


async def until_settled(bus: Bus) -> None:
    """Wait until nothing is left of the consumer's messages."""
    async with asyncio.timeout(20):
        while True:
            info = await bus.jetstream.consumer_info(NLU_TRANSCRIBED.stream, NLU_TRANSCRIBED.durable)
            if not info.num_pending and not info.num_ack_pending:
                return
            await asyncio.sleep(0.02)


async def test_what_has_arrived_is_handled_together_and_each_is_settled_on_its_own(bus: Bus) -> None:
    """One that is refused is parked, one that failed comes again, bytes that are nothing are parked; others come once."""
    for index in range(30):
        await bus.publish("turn.transcribed", turn(f"t{index}"))
    await bus.client.publish("turn.transcribed", b"\xff\xff")
    seen: dict[str, int] = {}
    sizes: list[int] = []

    async def handle(items: Items) -> None:
        sizes.append(len(items))
        for item in items:
            name = item.message.turn.turn_id
            seen[name] = seen.get(name, 0) + 1
            if name == "t3":
                item.error = InvalidInputError("no")
            if name == "t4" and item.delivery.num_delivered == 1:
                item.error = RetryableError("not yet")

    bus.batch_worker(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle, size=8)
    await bus.start()
    await until_settled(bus)
    assert max(sizes) > 1
    assert max(sizes) <= 8
    assert seen == {f"t{index}": 2 if index == 4 else 1 for index in range(30)}
    assert (await bus.jetstream.stream_info("PARKED")).state.messages == 2


async def test_what_a_batch_gives_up_is_told_in_the_log_of_its_trace(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch has no span for each message, so the line that tells of parking carries the message's own trace id."""
    trace_id = "0af7651916cd43dd8448eb211c80319c"

    async def refuse(items: Items) -> None:
        for item in items:
            item.error = InvalidInputError("no")

    headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    await bus.jetstream.publish("turn.transcribed", encode(turn("t1")), headers=headers)
    bus.batch_worker(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, refuse)
    # One that no other test of this process has configured for good.
    monkeypatch.setattr(consuming, "_log", telemetry.logger("bus"))
    with capture_logs(processors=[telemetry._add_trace_id]) as logs:
        await bus.start()
        await until_settled(bus)
    (parked,) = [line for line in logs if line["event"] == "message_parked"]
    assert (parked["trace_id"], parked["code"]) == (trace_id, "invalid_input")


async def test_a_message_that_crashes_its_batch_harms_no_other(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others of its batch are handled alone; it is given up after a few crashes."""
    monkeypatch.setattr(batching, "_MOST_CRASHES", 3)
    done: set[str] = set()

    async def handle(items: Items) -> None:
        if any(item.message.turn.turn_id == "bad" for item in items):
            raise KeyError("bad")
        done.update(item.message.turn.turn_id for item in items)

    for name in ("a", "bad", "b"):
        await bus.publish("turn.transcribed", turn(name))
    bus.batch_worker(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle)
    await bus.start()
    await until_settled(bus)
    assert done == {"a", "b"}
    assert (await bus.jetstream.stream_info("PARKED")).state.messages == 1


async def test_a_batch_is_kept_by_heartbeats_and_finished_at_a_stop(bus: Bus) -> None:
    """Longer than the ack wait: delivered once. A stop waits for it."""
    deliveries: list[str] = []

    async def handle(items: Items) -> None:
        deliveries.extend(item.message.turn.turn_id for item in items)
        await asyncio.sleep(2.5)

    for index in range(5):
        await bus.publish("turn.transcribed", turn(f"t{index}"))
    bus.batch_worker(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle)
    await bus.start()
    async with asyncio.timeout(5):
        while len(deliveries) < 5:
            await asyncio.sleep(0.01)
    await bus.stop_consuming(10.0)
    await until_settled(bus)
    assert sorted(deliveries) == [f"t{index}" for index in range(5)]


async def test_many_requests_in_flight_each_have_their_own_answer(bus: Bus) -> None:
    """Stored, refused by a compare-and-set, or owned by no stream; and all are read by one request."""
    pipeline = Pipeline(bus.client)
    await pipeline.start()
    keys = [f"$KV.SCHEDULES.h1.s{index}" for index in range(300)]
    first = await pipeline.store(
        [Write(key, key.encode(), {"Nats-Expected-Last-Subject-Sequence": "0"}) for key in keys]
    )
    assert all(isinstance(each, Stored) for each in first)
    again = await pipeline.store(
        [
            Write(keys[0], b"x", {"Nats-Expected-Last-Subject-Sequence": "0"}),
            Write("nobody.owns.this", b"x", {}),
            Write(keys[1], b"x", {}),
        ],
        timeout_s=1.0,
    )
    assert [type(each) for each in again] == [ConflictError, RetryableError, Stored]
    found = await pipeline.last("KV_SCHEDULES", [*keys[:3], "$KV.SCHEDULES.h1.none"])
    assert {key: entry.value for key, entry in found.items()} == {
        keys[0]: keys[0].encode(),
        keys[1]: b"x",
        keys[2]: keys[2].encode(),
    }
    assert len(await pipeline.last("KV_SCHEDULES", ["$KV.SCHEDULES.h1.*"])) == 300
    await pipeline.store([Write(f"$KV.SCHEDULES.h2.s{index}", b"x", {}) for index in range(1100)])
    with pytest.raises(OverloadedError) as refused:
        await pipeline.last("KV_SCHEDULES", ["$KV.SCHEDULES.h2.*"])
    assert refused.value.code == "too_many_results"
    await pipeline.stop()


async def test_a_read_waits_for_a_copy_that_has_what_is_known_to_be_stored(bus: Bus) -> None:
    """One that lags is asked again, also when it says that there is nothing; one that never comes up to it is an error."""
    pipeline = Pipeline(bus.client)
    await pipeline.start()
    for expected in (1, 2):
        last = (await bus.jetstream.stream_info("KV_SCHEDULES")).state.last_seq
        reading = asyncio.ensure_future(pipeline.last("KV_SCHEDULES", ["$KV.SCHEDULES.h1.*"], up_to=last + 1))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reading), 0.1)
        await pipeline.store([Write(f"$KV.SCHEDULES.h1.s{expected}", b"x", {})])
        assert len(await reading) == expected
    # What was stored last may be gone by now.
    await pipeline.store([Write("$KV.SCHEDULES.h2.s1", b"x", {})])
    await bus.jetstream.purge_stream("KV_SCHEDULES", subject="$KV.SCHEDULES.h2.s1")
    last = (await bus.jetstream.stream_info("KV_SCHEDULES")).state.last_seq
    assert len(await pipeline.last("KV_SCHEDULES", ["$KV.SCHEDULES.h1.*"], up_to=last)) == 2
    with pytest.raises(RetryableError) as refused:
        await pipeline.last("KV_SCHEDULES", ["$KV.SCHEDULES.h1.*"], up_to=last + 1, timeout_s=0.2)
    assert refused.value.code == "bus_unavailable"
    await pipeline.stop()


async def test_a_scheduled_message_is_published_when_it_is_due_moved_and_withdrawn(bus: Bus) -> None:
    """One on a subject; what was read is purged, what is to come stays."""
    now = datetime.now(UTC)
    for name, delay in (("a", 60.0), ("b", 0.2), ("c", 60.0), ("d", -5.0)):
        at = now + timedelta(seconds=delay)
        await publish_at(bus, f"turn.deadline.arm.h.d.{name}", turn(name), at, target="turn.deadline.due")
    await publish_at(bus, "turn.deadline.arm.h.d.a", turn("moved"), now, target="turn.deadline.due")
    await withdraw(bus, "DEADLINES", "turn.deadline.arm.h.d.c")
    subscription = await bus.jetstream.pull_subscribe_bind(DIALOGUE_DEADLINE.durable, DIALOGUE_DEADLINE.stream)
    due: set[bytes] = set()
    async with asyncio.timeout(10):
        while len(due) < 3:
            for message in await subscription.fetch(3, timeout=5):
                due.add(message.data)
                await message.ack_sync()
    assert due == {encode(turn(name)) for name in ("moved", "b", "d")}
    await publish_at(bus, "turn.deadline.arm.h.d.e", turn("e"), now + timedelta(60), target="turn.deadline.due")
    await DuePurger(bus, DIALOGUE_DEADLINE).purge()
    left = await bus.jetstream.stream_info("DEADLINES", subjects_filter=">")
    assert set(left.state.subjects or {}) == {"turn.deadline.arm.h.d.e"}
