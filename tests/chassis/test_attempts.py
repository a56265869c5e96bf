"""An attempt whose process died is drawn by its successor under the id that it had; one that told its story is not."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from earshot.asr.v1.events_pb2 import TurnTranscribed
from earshot_chassis import attempts, telemetry
from earshot_chassis.attempts import Attempt, HandedBack
from earshot_chassis.bus import Bus
from earshot_chassis.consuming import Delivery
from earshot_chassis.settings import ServiceSettings
from earshot_topology import attributes
from earshot_topology.streams import NLU_TRANSCRIBED, Consumer
from support.nats import nats_server
from support.spans import recorded_spans

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
NAME = "turn.transcribed process"
spans = pytest.fixture(recorded_spans)


def attempt(number: int, headers: dict[str, str] = HEADERS, age_s: float = 5.0) -> Attempt:
    """Return a delivery of message 7."""
    return Attempt(
        parent=telemetry.extract(headers),
        stream=NLU_TRANSCRIBED.stream,
        durable=NLU_TRANSCRIBED.durable,
        sequence=7,
        number=number,
        stored_at=datetime.now(UTC) - timedelta(seconds=age_s),
        ack_wait_s=1.5,
    )


def run(one: Attempt, handed_back: HandedBack | None = None) -> dict[str, str]:
    """Make an attempt that succeeds, in a process that heard everything unless told otherwise; return what it published."""
    headers: dict[str, str] = {}
    with one.span(NAME, {}) as current:
        began_ns = current.start_time  # type: ignore[attr-defined]  # a recording span
        with telemetry.span("inner"):
            telemetry.inject_message(headers)
        one.draw_lost(current, began_ns, NAME, handed_back or HandedBack(0), **{attributes.MESSAGING_MESSAGE: "7"})
    return headers


def drawn(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    """Return the spans that were drawn for others."""
    return [span for span in exporter.get_finished_spans() if (span.attributes or {}).get(attempts.RECONSTRUCTED)]


def hexadecimal(span: ReadableSpan) -> str:
    """Return a span's id."""
    assert span.context is not None
    return format(span.context.span_id, "016x")


def test_a_lost_attempt_is_drawn_under_its_own_id(spans: InMemorySpanExporter) -> None:
    """What it published hangs on its span, not on one within it; the successor draws that span and links to it."""
    published = run(attempt(1))
    carried = published["traceparent"].split("-")[2]
    spans.clear()
    run(attempt(2))
    (lost,) = drawn(spans)
    after = next(span for span in spans.get_finished_spans() if span.name == NAME and span is not lost)
    assert hexadecimal(lost) == carried
    assert lost.parent is not None
    assert after.parent is not None
    assert lost.parent.span_id == after.parent.span_id
    assert lost.end_time == after.start_time
    assert lost.start_time is not None
    assert lost.end_time is not None
    assert 4.5e9 < lost.end_time - lost.start_time < 6e9
    assert (lost.status.description, lost.kind) == ("attempt_lost", trace.SpanKind.CONSUMER)
    assert set(lost.attributes or {}) <= attributes.DECLARED
    assert (after.attributes or {})[attempts.TAKEOVER] is True
    assert carried in {format(link.context.span_id, "016x") for link in after.links}


def test_a_first_delivery_draws_nothing(spans: InMemorySpanExporter) -> None:
    """The ordinary path has its own span and no other."""
    run(attempt(1))
    assert [span.name for span in spans.get_finished_spans()] == ["inner", NAME]


def test_one_that_was_handed_back_is_not_lost(spans: InMemorySpanExporter) -> None:
    """It sent its own span; one before it that was lost has been drawn by it."""
    handed_back = HandedBack(0)
    handed_back.note(NLU_TRANSCRIBED, 7, 2)
    run(attempt(3), handed_back)
    assert drawn(spans) == []
    run(attempt(4), handed_back)
    (lost,) = drawn(spans)
    assert (lost.attributes or {})[attempts.DELIVERY_COUNT] == "3"
    assert lost.start_time == handed_back.time_ns(NLU_TRANSCRIBED, 7, 2)


@pytest.mark.parametrize("since_s", [None, -3.0])
def test_what_may_have_been_handed_back_unheard_is_not_lost(spans: InMemorySpanExporter, since_s: float | None) -> None:
    """Who listens for less long than the message is there draws the attempt, but neither as a failure nor as a loss."""
    since_ns = None if since_s is None else time.time_ns() + int(since_s * 1e9)
    run(attempt(2, age_s=5.0), HandedBack(since_ns))
    (before,) = drawn(spans)
    assert (before.status.status_code, (before.attributes or {})[attempts.END]) == (
        trace.StatusCode.UNSET,
        "attempt_unknown",
    )
    assert attempts.SILENT not in (before.attributes or {})
    assert set(before.attributes or {}) <= attributes.DECLARED
    (after,) = [span for span in spans.get_finished_spans() if span.name == NAME and span is not before]
    assert attempts.TAKEOVER not in (after.attributes or {})


def test_who_listened_when_an_earlier_one_was_handed_back_knows_the_next(spans: InMemorySpanExporter) -> None:
    """Delivery 1 was heard to be handed back; delivery 2, of which nothing was heard, is lost."""
    handed_back = HandedBack(time.time_ns())
    handed_back.note(NLU_TRANSCRIBED, 7, 1)
    run(attempt(3, age_s=5.0), handed_back)
    (lost,) = drawn(spans)
    assert lost.status.description == "attempt_lost"


def test_several_in_a_row_are_all_drawn(spans: InMemorySpanExporter) -> None:
    """Who died before it had ended has drawn nothing."""
    run(attempt(3))
    assert [(span.attributes or {})[attempts.DELIVERY_COUNT] for span in drawn(spans)] == ["1", "2"]


def test_without_a_trace_every_delivery_is_one_of_its_own(spans: InMemorySpanExporter) -> None:
    """There is nowhere to draw what was lost."""
    run(attempt(2, headers={}))
    assert drawn(spans) == []


def test_trace_state_tells_the_attempt_and_its_cause(
    spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """Also across the bus; the entries of others are kept, and OpenTelemetry finds nothing to warn of."""
    first = run(attempt(1, headers=HEADERS | {"tracestate": "other=1"}))
    second = run(attempt(1, headers=first))
    asr, nlu = first["traceparent"].split("-")[2], second["traceparent"].split("-")[2]
    states = [span.context.trace_state for span in spans.get_finished_spans() if span.context]
    assert [state.get("earshot") for state in states] == [asr, asr, f"{nlu}-{asr}", f"{nlu}-{asr}"]
    assert {state.get("other") for state in states} == {"1"}
    assert not [record for record in caplog.records if record.name == "opentelemetry.trace.span"]


@pytest.mark.usefixtures("spans")
def test_a_message_that_has_a_context_of_its_own_carries_it() -> None:
    """A message with a trace context in its headers keeps it; another trace's message is not hung on this attempt."""
    one, headers, other = attempt(1), dict(HEADERS), dict[str, str]()
    with one.span(NAME, {}):
        telemetry.inject_message(headers)
        with telemetry.span("another trace", parent=telemetry.extract({})):
            telemetry.inject_message(other)
    assert headers == HEADERS
    assert TRACE not in other["traceparent"]


async def delivered(client: Client, consumer: Consumer):
    """Return the next message."""
    subscription = await client.jetstream().pull_subscribe_bind(consumer.durable, consumer.stream)
    while True:
        try:
            [message] = await subscription.fetch(1, timeout=0.5)
        except NatsTimeoutError:
            continue
        return message


async def test_the_server_tells_what_was_handed_back(tmp_path) -> None:
    """A delivery that is handed back is known to everybody who follows; one that only runs out of time is not."""
    async with nats_server(tmp_path) as server:
        client, other = await server.connect(), await server.connect()
        handed_back = HandedBack()
        await handed_back.follow(other, NLU_TRANSCRIBED)
        await other.flush()
        await client.jetstream().publish("turn.transcribed", b"")
        first = await delivered(client, NLU_TRANSCRIBED)
        sequence = first.metadata.sequence.stream
        await first.nak()
        second = await delivered(client, NLU_TRANSCRIBED)
        third = await delivered(client, NLU_TRANSCRIBED)
        assert [second.metadata.num_delivered, third.metadata.num_delivered] == [2, 3]
        await other.flush()
        known = {number for number in (1, 2, 3) if handed_back.time_ns(NLU_TRANSCRIBED, sequence, number)}
        assert known == {1}
        await client.close()
        await other.close()


async def test_a_clean_handover_before_the_start_is_not_drawn_as_a_kill(tmp_path, spans: InMemorySpanExporter) -> None:
    """Who starts after a replica has drained goes on with what that one handed back; nobody was killed, and none says so."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        await client.jetstream().publish("turn.transcribed", b"", headers=HEADERS)
        await (await delivered(client, NLU_TRANSCRIBED)).nak()
        await client.close()
        handled: list[int] = []

        async def handle(_event: TurnTranscribed, delivery: Delivery) -> None:
            handled.append(delivery.num_delivered)

        bus = Bus("nlu", ServiceSettings(nats_url=server.url))
        await bus.connect()
        bus.worker(NLU_TRANSCRIBED, TurnTranscribed, handle)
        await bus.start()
        async with asyncio.timeout(10):
            while not drawn(spans):
                await asyncio.sleep(0.01)
        await bus.stop_consuming(2)
        await bus.close()
    assert handled == [2]
    (before,) = drawn(spans)
    assert (before.attributes or {})[attempts.END] == "attempt_unknown"


async def test_who_was_cut_off_has_not_listened_meanwhile(tmp_path) -> None:
    """A connection that comes back heard nothing of what was handed back while it was away."""
    async with nats_server(tmp_path) as server:
        bus = Bus("nlu", ServiceSettings(nats_url=server.url))
        await bus.connect()
        await bus.start()
        before = time.time_ns()
        assert bus.handed_back.listens_since(before)
        back = asyncio.Event()

        async def reconnected() -> None:
            back.set()

        bus.on_reconnect(reconnected)
        server.kill()
        server.start()
        async with asyncio.timeout(20):
            await back.wait()
        assert not bus.handed_back.listens_since(before)
        await bus.close()
