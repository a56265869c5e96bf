"""turn.transcribed in, turn.interpreted out, over a real nats-server; and the same over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import turn_pb2
from earshot.nlu.v1 import interpreter_pb2, interpreter_pb2_grpc
from earshot_chassis.bus import Bus
from earshot_chassis.consuming import Delivery
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_server import GrpcServer
from earshot_chassis.settings import ServiceSettings
from earshot_nlu.handlers import TurnReader
from earshot_nlu.servicer import InterpreterServicer
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_topology.streams import DIALOGUE_INTERPRETED, NLU_TRANSCRIBED
from earshot_topology.subjects import TURN_TRANSCRIBED
from support.nats import NatsServer, nats_server
from support.spans import recorded_spans
from support.understanding import strangers

pytestmark = pytest.mark.asyncio(loop_scope="module")
_NUMBERS = count(1)


class Bench:
    """NLU's handler on a bus, and a dialogue's end of it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.seen: dict[str, interpreter_pb2.TurnInterpreted] = {}
        self.deliveries: list[str] = []

    async def keep(self, message: interpreter_pb2.TurnInterpreted, _delivery: Delivery) -> None:
        """Keep what the dialogue would read."""
        self.seen[message.turn.turn_id] = message
        self.deliveries.append(message.turn.turn_id)

    async def say(self, message: events_pb2.TurnTranscribed) -> interpreter_pb2.TurnInterpreted:
        """Publish a transcribed turn and wait for what comes of it."""
        await self.bus.publish(TURN_TRANSCRIBED, message)
        async with asyncio.timeout(5):
            while message.turn.turn_id not in self.seen:
                await asyncio.sleep(0.005)
        return self.seen[message.turn.turn_id]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """Run a nats-server with every stream."""
    async with nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(server: NatsServer, interpreter: Interpreter) -> AsyncIterator[Bench]:
    """Run the handler, and a reader of its events."""
    bus = Bus("nlu", ServiceSettings(nats_url=server.url))
    await bus.connect()
    bench = Bench(bus)
    bus.handler(
        NLU_TRANSCRIBED,
        events_pb2.TurnTranscribed,
        TurnReader(bus, interpreter, strangers()).transcribed,
        concurrency=4,
    )
    bus.handler(DIALOGUE_INTERPRETED, interpreter_pb2.TurnInterpreted, bench.keep)
    await bus.start()
    yield bench
    await bus.stop_consuming(5)
    await bus.close()


@pytest.fixture
def spans():
    """Record this process's spans."""
    yield from recorded_spans()


def transcribed(*texts: str, locale: str = "en-US", **fields: object) -> events_pb2.TurnTranscribed:
    """Return a turn said on a Wednesday morning in Shanghai."""
    message = events_pb2.TurnTranscribed(
        turn=turn_pb2.TurnContext(
            turn_id=f"turn-{next(_NUMBERS)}",
            household_id="h1",
            device_id="d1",
            locale=locale,
            time_zone="Asia/Shanghai",
            modality=turn_pb2.MODALITY_VOICE,
        ),
        alternatives=[events_pb2.Alternative(transcript=text, confidence=0.9) for text in texts],
        **fields,
    )
    message.turn.end_of_speech_time.FromJsonString("2026-11-18T02:30:00Z")
    return message


async def test_turn_is_interpreted(bench: Bench) -> None:
    """A transcribed turn goes on with its context, its meaning, its transcript and the registry's revision."""
    message = transcribed("events tomorrow in paris", "invents to morrow in paris")
    found = await bench.say(message)
    assert found.turn == message.turn
    assert found.transcript == "events tomorrow in paris"
    assert (found.registry_revision, found.rejection, found.error_code) == (7, 0, "")
    first = found.hypotheses[0]
    assert (first.intent, first.recognizer, first.alternative_index) == ("timer.visit", "template", 0)
    assert first.skill_version == "1.0.0"
    assert {slot.name: slot.text for slot in first.slots} == {"date": "tomorrow", "city": "paris"}
    date = next(slot.value.date_time_value for slot in first.slots if slot.name == "date")
    assert (date.start, date.end, date.grain) == ("2026-11-19T00:00:00+08:00", "2026-11-20T00:00:00+08:00", "day")


async def test_values_of_every_kind_reach_the_wire(bench: Bench) -> None:
    """Durations, numbers and texts are told as such."""
    timer = await bench.say(transcribed("set a timer called pasta for half an hour"))
    values = {slot.name: slot.value for slot in timer.hypotheses[0].slots}
    assert values["name"].string_value == "pasta"
    assert values["length"].duration_value.ToSeconds() == 1800
    lamp = await bench.say(transcribed("把客厅的灯调到百分之五十", locale="zh-CN"))
    values = {slot.name: slot.value for slot in lamp.hypotheses[0].slots}
    assert values["level"].number_value == 50.0
    assert values["room"].string_value == "客厅"


async def test_text_turn_takes_the_same_way(bench: Bench) -> None:
    """A typed turn, which has no end of speech, is interpreted like a spoken one."""
    message = transcribed("set a timer for ten minutes")
    message.turn.modality = turn_pb2.MODALITY_TEXT
    message.turn.ClearField("end_of_speech_time")
    message.turn.start_time.FromJsonString("2026-11-18T02:30:00Z")
    found = await bench.say(message)
    assert found.hypotheses[0].intent == "timer.start"
    assert found.turn.modality == turn_pb2.MODALITY_TEXT


@pytest.mark.parametrize(
    ("rejection", "code"),
    [
        (events_pb2.REJECTION_NO_SPEECH, ""),
        (events_pb2.REJECTION_NOT_FOR_US, ""),
        (events_pb2.REJECTION_BAD_AUDIO, "malformed_opus"),
    ],
)
async def test_rejected_turn_passes_through(bench: Bench, rejection: events_pb2.Rejection, code: str) -> None:
    """What the recogniser rejected goes on as rejected, with an empty ranking."""
    found = await bench.say(transcribed(rejection=rejection, error_code=code))
    assert (found.rejection, found.error_code, list(found.hypotheses)) == (rejection, code, [])
    assert found.registry_revision == 7


@pytest.mark.parametrize(
    ("texts", "locale", "code"),
    [
        ((), "en-US", "empty_text"),
        (("",), "en-US", "empty_text"),
        (("🙂🙂",), "zh-CN", "empty_text"),
        (("a" * 100_000,), "en-US", "text_too_long"),
        (("hello",), "tlh-AA", "unknown_locale"),
    ],
)
async def test_wrong_input_goes_on_with_its_code(bench: Bench, texts: tuple[str, ...], locale: str, code: str) -> None:
    """Somebody may be waiting: a turn that can't be read still reaches the dialogue, with the reason."""
    found = await bench.say(transcribed(*texts, locale=locale))
    assert (found.error_code, found.rejection, list(found.hypotheses)) == (code, 0, [])
    assert (await bench.say(transcribed("pause"))).hypotheses[0].intent == "player.pause"


async def test_wrong_time_zone_and_time_go_on_with_their_codes(bench: Bench) -> None:
    """A context that dates can't be read in is refused in the same way."""
    message = transcribed("pause")
    message.turn.time_zone = "Mars/Olympus"
    assert (await bench.say(message)).error_code == "unknown_time_zone"
    message = transcribed("pause")
    message.turn.end_of_speech_time.seconds = 1 << 60
    assert (await bench.say(message)).error_code == "invalid_reference_time"


async def test_households_that_choose_the_same_turn_id_are_each_interpreted(bench: Bench) -> None:
    """The stream takes neither for a repetition of the other."""
    here, elsewhere = transcribed("set a timer for ten minutes"), transcribed("set a timer for ten minutes")
    elsewhere.turn.turn_id, elsewhere.turn.household_id = here.turn.turn_id, "h2"
    for message in (here, elsewhere):
        await bench.bus.publish(TURN_TRANSCRIBED, message)
    async with asyncio.timeout(5):
        while bench.deliveries.count(here.turn.turn_id) < 2:
            await asyncio.sleep(0.005)


async def test_event_without_a_turn_is_parked(bench: Bench) -> None:
    """An event that names no turn can't be answered by anybody: it is kept for people to look at."""
    await bench.bus.publish(TURN_TRANSCRIBED, events_pb2.TurnTranscribed())
    async with asyncio.timeout(5):
        while (await bench.bus.jetstream.stream_info("PARKED")).state.messages == 0:
            await asyncio.sleep(0.01)
    assert (await bench.say(transcribed("pause"))).hypotheses


async def test_repeated_event_is_interpreted_once(bench: Bench) -> None:
    """A turn that is transcribed twice, by an owner and its successor, reaches the dialogue once."""
    message, other = transcribed("pause"), transcribed("pause")
    for _ in range(3):
        await bench.say(message)
    await bench.say(other)
    assert bench.deliveries[-2:] == [message.turn.turn_id, other.turn.turn_id]
    assert bench.deliveries.count(message.turn.turn_id) == 1


async def test_interpretation_is_a_span_of_the_turn(bench: Bench, spans: InMemorySpanExporter) -> None:
    """The span nlu.interpret stands below the message's span, tells the intent, and never the words."""
    await bench.say(transcribed("set a timer called secret for ten minutes"))
    async with asyncio.timeout(5):
        while not (named := {span.name: span for span in spans.get_finished_spans()}).get("turn.transcribed process"):
            await asyncio.sleep(0.01)
    ours, above = named["nlu.interpret"], named["turn.transcribed process"]
    assert ours.parent is not None
    assert ours.parent.span_id == above.context.span_id
    assert ours.attributes is not None
    assert ours.attributes["voice.intent"] == "timer.start"
    assert ours.attributes["voice.nlu.recognizer"] == "template"
    assert ours.attributes["voice.registry.revision"] == 7
    assert not [
        value for span in named.values() for value in (span.attributes or {}).values() if "secret" in str(value)
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub(interpreter: Interpreter) -> AsyncIterator[interpreter_pb2_grpc.InterpreterAsyncStub]:
    """Serve the interpreter over gRPC."""
    server = GrpcServer()
    server.add(
        interpreter_pb2_grpc.add_InterpreterServicer_to_server,
        InterpreterServicer(interpreter, strangers()),
        "earshot.nlu.v1.Interpreter",
    )
    port = await server.start("127.0.0.1", 0)
    async with connect(f"127.0.0.1:{port}") as channel:
        yield interpreter_pb2_grpc.InterpreterStub(channel)
    await server.stop(0)


async def test_interpret_over_grpc(stub: interpreter_pb2_grpc.InterpreterAsyncStub) -> None:
    """The gRPC service ranks the same meanings, for the moment and the zone that are asked for."""
    request = interpreter_pb2.InterpretRequest(
        alternatives=[events_pb2.Alternative(transcript="events tomorrow in Paris")],
        locale="en-US",
        time_zone="America/New_York",
    )
    request.reference_time.FromJsonString("2026-11-18T02:30:00Z")
    answer = await stub.Interpret(request)
    assert answer.registry_revision == 7
    assert answer.hypotheses[0].intent == "timer.visit"
    starts = [slot.value.date_time_value.start for slot in answer.hypotheses[0].slots if slot.name == "date"]
    assert starts == ["2026-11-18T00:00:00-05:00"]


@pytest.mark.parametrize(
    ("text", "locale", "reason"),
    [("", "en-US", "EMPTY_TEXT"), ("x" * 2000, "en-US", "TEXT_TOO_LONG"), ("hello", "xx", "UNKNOWN_LOCALE")],
)
async def test_wrong_input_over_grpc(
    stub: interpreter_pb2_grpc.InterpreterAsyncStub, text: str, locale: str, reason: str
) -> None:
    """Wrong input is INVALID_ARGUMENT with the code as its reason."""
    request = interpreter_pb2.InterpretRequest(alternatives=[events_pb2.Alternative(transcript=text)], locale=locale)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Interpret(request)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    details = dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    status = status_pb2.Status.FromString(details)
    assert any(detail.Unpack(info) for detail in status.details)
    assert (info.reason, info.domain) == (reason, "earshot")


async def test_nothing_understood_over_grpc(stub: interpreter_pb2_grpc.InterpreterAsyncStub) -> None:
    """An empty ranking is an answer, not an error."""
    request = interpreter_pb2.InterpretRequest(
        alternatives=[events_pb2.Alternative(transcript="the committee published its report")], locale="en-US"
    )
    assert list((await stub.Interpret(request)).hypotheses) == []
