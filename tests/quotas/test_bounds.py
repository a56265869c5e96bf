"""What one household's rubbish may take: places in streams, places among what is parked, lines in a log."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from nats.js.errors import APIError
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from structlog.testing import capture_logs

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import turn_pb2
from earshot.device.v1 import upstream_pb2
from earshot_asr.guarding import CaptureGuard
from earshot_chassis import consuming
from earshot_chassis.bus import Bus, Delivery
from earshot_chassis.errors import InvalidInputError
from earshot_chassis.settings import ServiceSettings
from earshot_topology.streams import DIALOGUE_EVENTS, NLU_TRANSCRIBED, PARKED_OF_HOUSEHOLD
from earshot_topology.subjects import DeviceAddress
from earshot_topology.tenancy import household_of
from support.nats import NatsServer, nats_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """Run a server with Earshot's streams."""
    async with nats_server(tmp_path_factory.mktemp("bus")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def bus(server: NatsServer) -> AsyncIterator[Bus]:
    """Connect a service that knows whose messages are."""
    made = Bus("nlu", ServiceSettings(nats_url=server.url))
    await made.connect()
    made.park_for(household_of)
    yield made
    await made.stop_consuming(1.0)
    await made.close()


async def refuse(_message: Message, _delivery: Delivery) -> None:
    """Refuse everything."""
    raise InvalidInputError("nobody wants this", code="unwanted")


async def settled(bus: Bus, consumer: str, stream: str) -> None:
    """Wait until a consumer has settled everything."""
    async with asyncio.timeout(30):
        while True:
            info = await bus.jetstream.consumer_info(stream, consumer)
            if not (info.num_pending or info.num_ack_pending):
                return
            await asyncio.sleep(0.02)


async def parked(bus: Bus) -> dict[str, int]:
    """Return how many messages are parked, by subject."""
    info = await bus.jetstream.stream_info("PARKED", subjects_filter="parked.>")
    return dict(info.state.subjects or {})


async def test_one_household_does_not_push_out_what_is_parked_of_another(bus: Bus) -> None:
    """The latest so many of each are kept, whether the subject tells whose they are or the content."""
    bus.worker(DIALOGUE_EVENTS, upstream_pb2.DeviceEvent, refuse, concurrency=16)
    bus.worker(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, refuse, concurrency=16)
    quiet, loud = DeviceAddress("quiet", "d"), DeviceAddress("loud", "d")
    await bus.publish(quiet.event(), upstream_pb2.DeviceEvent(event_id="only"))
    for number in range(PARKED_OF_HOUSEHOLD + 20):
        await bus.publish(loud.event(), upstream_pb2.DeviceEvent(event_id=str(number)))
    for household in ("quiet", "not one token", ""):
        turn = turn_pb2.TurnContext(turn_id="t", household_id=household, device_id="d")
        await bus.publish("turn.transcribed", events_pb2.TurnTranscribed(turn=turn))
    await bus.start()
    await settled(bus, "dialogue_events", "DEVICE_EVENTS")
    await settled(bus, "nlu", "TURNS")
    found = await parked(bus)
    assert found == {"parked.nlu.quiet": 2, "parked.nlu.loud": PARKED_OF_HOUSEHOLD, "parked.nlu._": 2}
    await bus.jetstream.purge_stream("PARKED")


async def test_a_flood_of_what_can_not_be_read_is_sampled(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some are parked; the others are counted and gone; what can be read and is refused is parked all the same."""
    reader = InMemoryMetricReader()
    counter = MeterProvider(metric_readers=[reader]).get_meter("test").create_counter("discarded")
    monkeypatch.setattr(consuming, "_DISCARDED", counter)
    bus.worker(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, refuse, concurrency=16)
    for _ in range(400):
        await bus.jetstream.publish("turn.transcribed", b"\xff\xff\xff")
    turn = turn_pb2.TurnContext(turn_id="t", household_id="h", device_id="d")
    await bus.publish("turn.transcribed", events_pb2.TurnTranscribed(turn=turn))
    with capture_logs() as logs:
        await bus.start()
        await settled(bus, "nlu", "TURNS")
    found = await parked(bus)
    assert found.pop("parked.nlu.h") == 1
    kept = found.pop("parked.nlu._")
    assert found == {}
    # The bucket holds fifty, and one comes back every second.
    assert 50 <= kept < 90
    assert [point.value for point in points(reader)] == [400 - kept]
    (attributes,) = [dict(point.attributes) for point in points(reader)]
    assert attributes == {"event": "turn.transcribed", "consumer": "nlu", "code": "malformed_payload"}
    told = [line for line in logs if line["event"] == "malformed_message"]
    assert 1 <= len(told) <= kept - 48
    await bus.jetstream.purge_stream("PARKED")


def points(reader: InMemoryMetricReader) -> list:
    """Return the points of the one metric that was recorded."""
    data = reader.get_metrics_data()
    assert data is not None
    return list(data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points)


async def test_core_messages_that_can_not_be_read_are_told_seldom(bus: Bus, server: NatsServer) -> None:
    """A thousand of them are some lines, at most one a second, which together tell how many there were."""
    heard: list[Message] = []

    async def note(message: Message, _subject: str) -> None:
        heard.append(message)

    await bus.subscribe("core", events_pb2.TurnTranscribed, note)
    await bus.client.flush()
    client = await server.connect()
    with capture_logs() as logs:
        for _ in range(1_000):
            await client.publish("core", b"\xff")
        await client.publish("core", b"")
        async with asyncio.timeout(10):
            while not heard:
                await asyncio.sleep(0.02)
    told = [line for line in logs if line["event"] == "malformed_message"]
    assert 1 <= len(told) < 11
    assert told[0]["times"] == 1
    assert sum(line["times"] for line in told) <= 1_000
    await client.close()


@pytest.mark.parametrize(
    ("stream", "subject", "bound"),
    [
        ("UTTERANCES", lambda address: address.started("en-US", "stable"), 64),
        ("DEVICE_EVENTS", lambda address: address.event(), 1_000),
    ],
)
async def test_a_device_fills_no_stream(
    server: NatsServer, stream: str, subject: Callable[[DeviceAddress], str], bound: int
) -> None:
    """What nobody reads of it is refused beyond a bound; what others send is taken, and its own when there is room again."""
    client = await server.connect()
    jetstream = client.jetstream()
    mad, sane = DeviceAddress("mad", "d"), DeviceAddress("sane", "d")
    for number in range(bound):
        await jetstream.publish(subject(mad), b"x", headers={"Nats-Msg-Id": f"{stream}.{number}"})
    with pytest.raises(APIError) as refused:
        await jetstream.publish(subject(mad), b"x")
    assert refused.value.description == "maximum messages per subject exceeded"
    # A repetition of what was taken is no more than that.
    assert (await jetstream.publish(subject(mad), b"x", headers={"Nats-Msg-Id": f"{stream}.0"})).duplicate
    await jetstream.publish(subject(sane), b"x")
    await jetstream.purge_stream(stream, subject=subject(mad))
    await jetstream.publish(subject(mad), b"x")
    await jetstream.purge_stream(stream)
    await client.close()


async def test_frames_of_one_turn_push_out_their_own(server: NatsServer) -> None:
    """Whoever never stops loses its beginning; the frames of others stay."""
    client = await server.connect()
    jetstream = client.jetstream()
    before = (await jetstream.stream_info("AUDIO")).state.last_seq
    mad, sane = DeviceAddress("mad", "d"), DeviceAddress("sane", "d")
    await client.publish(sane.audio("t"), b"frame")
    for number in range(16_500):
        await client.publish(mad.audio("t"), str(number).encode())
    await client.flush()
    async with asyncio.timeout(10):
        while (
            info := await jetstream.stream_info("AUDIO", subjects_filter="device.>")
        ).state.last_seq < before + 16_501:
            await asyncio.sleep(0.02)
    assert info.state.subjects == {sane.audio("t"): 1, mad.audio("t"): 16_000}
    await client.close()


async def test_a_household_that_fills_the_capture_loses_its_own_frames(server: NatsServer) -> None:
    """With more turns than anybody has, each within its bound; the frames of others stay for whoever takes over."""
    client = await server.connect()
    jetstream = client.jetstream()
    config = (await jetstream.stream_info("AUDIO")).config
    await jetstream.purge_stream("AUDIO")
    await jetstream.update_stream(replace(config, max_bytes=8 << 20))
    guard = CaptureGuard(jetstream)
    sane = [DeviceAddress(f"sane{number}", "d").audio("t") for number in range(20)]
    for subject in sane:
        for _ in range(25):
            await jetstream.publish(subject, bytes(1_300))
    assert await guard.look() == []
    for turn in range(60):
        await jetstream.publish(DeviceAddress("mad", f"d{turn % 3}").audio(str(turn)), bytes(60_000))
    assert await guard.look() == ["mad"]
    kept = (await jetstream.stream_info("AUDIO", subjects_filter="device.>")).state.subjects
    assert kept == dict.fromkeys(sane, 25)
    await jetstream.update_stream(config)
    await client.close()


async def test_requests_beyond_what_is_answered_at_once_are_refused(bus: Bus, server: NatsServer) -> None:
    """With a code that says to ask again; they wait behind nobody, and the next one is answered."""
    go = asyncio.Event()

    async def answer(request: Message, _subject: str) -> Message:
        await go.wait()
        return request

    await bus.responder("ask", turn_pb2.TurnContext, answer, queue="q")
    await bus.client.flush()
    client = await server.connect()
    asked = [asyncio.ensure_future(client.request("ask", b"", timeout=10)) for _ in range(100)]
    async with asyncio.timeout(5):
        while len(done := [each for each in asked if each.done()]) < 36:
            await asyncio.sleep(0.02)
    assert {(each.result().headers or {}).get("error-code") for each in done} == {"overloaded"}
    go.set()
    answers = await asyncio.gather(*asked)
    assert sum("error-code" in (each.headers or {}) for each in answers) == 36
    assert "error-code" not in ((await client.request("ask", b"", timeout=5)).headers or {})
    await client.close()


async def test_one_household_leaves_places_for_the_requests_of_others(bus: Bus, server: NatsServer) -> None:
    """It fills a quarter of them and is refused beyond that, while the others are answered."""
    go = asyncio.Event()

    async def answer(request: Message, subject: str) -> Message:
        if "mad" in subject:
            await go.wait()
        return request

    await bus.responder("device.*.*.up.resume", turn_pb2.TurnContext, answer, queue="q")
    await bus.client.flush()
    client = await server.connect()
    mad = [DeviceAddress("mad", f"d{number % 7}").resume() for number in range(100)]
    asked = [asyncio.ensure_future(client.request(subject, b"", timeout=20)) for subject in mad]
    async with asyncio.timeout(10):
        while sum(each.done() for each in asked) < 84:
            await asyncio.sleep(0.02)
    sane = [client.request(DeviceAddress(f"sane-{number}", "d").resume(), b"", timeout=10) for number in range(48)]
    assert [
        reply.headers["error-code"] for reply in await asyncio.gather(*sane) if "error-code" in (reply.headers or {})
    ] == []
    go.set()
    answers = await asyncio.gather(*asked)
    assert Counter((reply.headers or {}).get("error-code") for reply in answers) == {"overloaded": 84, None: 16}
    # Whoever has been answered makes room.
    again = await client.request(mad[0], b"", timeout=5)
    assert "error-code" not in (again.headers or {})
    await client.close()
