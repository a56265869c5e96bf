"""Typed turns over gRPC, through the bus and a fake NLU, and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from earshot.dialogue.v1 import assistant_pb2, assistant_pb2_grpc, outcome_pb2
from earshot.skill.v1 import skill_pb2
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_errors import from_rpc_error
from earshot_chassis.rpc_server import GrpcServer
from earshot_topology.subjects import DeviceAddress
from support.dialogues import Place, Replica, hypothesis
from support.fake_skill import FakeSkill, answer
from support.spans import recorded_spans

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORECAST = "weather.get_forecast"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def assistant(replica: Replica) -> AsyncIterator[assistant_pb2_grpc.AssistantAsyncStub]:
    """Serve the assistant as the service does."""
    server = GrpcServer()
    server.add(
        assistant_pb2_grpc.add_AssistantServicer_to_server, replica.dialogue.servicer, "earshot.dialogue.v1.Assistant"
    )
    port = await server.start("127.0.0.1", 0)
    replica.means("weather in Paris", hypothesis(FORECAST, city="Paris"))
    replica.means("巴黎天气", hypothesis(FORECAST, city="巴黎"))
    replica.means("weather", hypothesis(FORECAST))
    async with connect(f"127.0.0.1:{port}") as channel:
        yield assistant_pb2_grpc.AssistantStub(channel)
    await server.stop(0)


def request(place: Place, text: str, **fields: object) -> assistant_pb2.ConverseRequest:
    """Return a typed turn of a device."""
    wanted: dict[str, object] = {
        "household_id": place.address.household,
        "device_id": place.address.device,
        "text": text,
        "locale": "en-US",
    }
    return assistant_pb2.ConverseRequest(**(wanted | fields))


def words(response: assistant_pb2.ConverseResponse) -> list[str]:
    """Return what was answered."""
    return [prompt.text for outcome in response.outcomes for prompt in outcome.prompts]


@pytest.mark.usefixtures("skill")
@pytest.mark.parametrize(
    ("text", "locale", "city"), [("weather in Paris", "en-US", "Paris"), (" 巴黎天气 ", "zh-CN", "巴黎")]
)
async def test_a_typed_turn_comes_back_answered(
    place: Place, assistant: assistant_pb2_grpc.AssistantAsyncStub, text: str, locale: str, city: str
) -> None:
    """The answer, what was understood, and no sound."""
    response = await assistant.Converse(request(place, text, locale=locale))
    assert words(response) == [f"It is sunny in {city}."]
    assert (response.hypotheses[0].intent, response.hypotheses[0].slots[0].text) == (FORECAST, city)
    assert list(response.outcomes[0].directives) == []


@pytest.mark.usefixtures("skill")
async def test_a_typed_dialogue_fills_a_slot(place: Place, assistant: assistant_pb2_grpc.AssistantAsyncStub) -> None:
    """A question and its bare answer, one right after the other."""
    asked = await assistant.Converse(request(place, "weather"))
    assert (words(asked), asked.outcomes[0].expects_reply) == (["In which city?"], True)
    assert words(await assistant.Converse(request(place, "Lima"))) == ["It is sunny in Lima."]


@pytest.mark.usefixtures("skill")
async def test_what_is_to_be_spoken_is_spoken(place: Place, assistant: assistant_pb2_grpc.AssistantAsyncStub) -> None:
    """With speak, the turn is one whose answer is played, in a format that every device can play."""
    response = await assistant.Converse(request(place, "weather in Paris", speak=True))
    (outcome,) = response.outcomes
    assert [each.WhichOneof("command") for each in outcome.directives] == ["speak"]
    assert outcome.turn.playback_format.sample_rate_hertz == 16_000


async def test_every_segment_comes_back_in_order(
    place: Place, skill: FakeSkill, assistant: assistant_pb2_grpc.AssistantAsyncStub
) -> None:
    """A streamed answer is whole."""

    async def handle(_request: skill_pb2.HandleRequest, _context: object) -> AsyncIterator[skill_pb2.HandleResponse]:
        for text in ("One.", "Two."):
            yield answer(text, final=False)
            await asyncio.sleep(0.02)
        yield answer("Three.")

    skill.handle = handle
    response = await assistant.Converse(request(place, "weather in Paris"))
    assert words(response) == ["One.", "Two.", "Three."]


async def test_the_same_turn_id_gives_the_same_outcome(
    place: Place, skill: FakeSkill, assistant: assistant_pb2_grpc.AssistantAsyncStub
) -> None:
    """Asked twice at once and once more afterwards: one decision, one call."""
    turn_id = place.turn().turn_id
    once = request(place, "weather in Paris", turn_id=turn_id)
    responses = list(await asyncio.gather(assistant.Converse(once), assistant.Converse(once)))
    responses.append(await assistant.Converse(once))
    assert len({response.outcomes[0].outcome_id for response in responses}) == 1
    assert len(skill.calls) == 1


async def test_households_that_choose_the_same_turn_id_are_each_answered(
    place: Place, skill: FakeSkill, assistant: assistant_pb2_grpc.AssistantAsyncStub
) -> None:
    """Each turn is decided by itself: an answer, a call with a key and a deadline of its own."""
    turn_id = place.turn().turn_id
    other = Place(place.replica, DeviceAddress("h2", place.address.device))
    for each in (place, other):
        response = await assistant.Converse(request(each, "weather in Paris", turn_id=turn_id))
        assert words(response) == ["It is sunny in Paris."]
        assert response.outcomes[0].turn.household_id == each.address.household
        await place.replica.bus.jetstream.get_last_msg("DEADLINES", each.address.deadline_arm(turn_id))
    keys = [f"{each.address.turn_key(turn_id)}.0" for each in (place, other)]
    assert [call.idempotency_key for call in skill.calls] == keys


async def test_emoji_are_not_understood_and_do_no_harm(
    place: Place, assistant: assistant_pb2_grpc.AssistantAsyncStub
) -> None:
    """Words that nobody knows get an answer that says so."""
    response = await assistant.Converse(request(place, "🦄🌈"))
    assert response.outcomes[0].kind == outcome_pb2.OUTCOME_KIND_ANSWERED
    assert words(response) == ["Sorry, I didn't understand that."]
    assert list(response.hypotheses) == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text": ""}, "empty_text"),
        ({"text": " \n\t "}, "empty_text"),
        ({"text": "x" * 1001}, "text_too_long"),
        ({"text": "x" * 100_000}, "text_too_long"),
        ({"text": "a\x00b"}, "unreadable_text"),
        ({"locale": "xx-XX"}, "unsupported_locale"),
        ({"locale": ""}, "unsupported_locale"),
        ({"time_zone": "Mars/Olympus"}, "unknown_time_zone"),
        ({"time_zone": "../../etc/passwd"}, "unknown_time_zone"),
        ({"time_zone": "x" * 5000}, "unknown_time_zone"),
        ({"household_id": ""}, "invalid_id"),
        ({"household_id": "a.b"}, "invalid_id"),
        ({"device_id": "*"}, "invalid_id"),
        ({"turn_id": "t 1"}, "invalid_id"),
    ],
)
async def test_a_request_that_can_not_be_taken_is_refused_with_a_code(
    place: Place, assistant: assistant_pb2_grpc.AssistantAsyncStub, fields: dict[str, str], code: str
) -> None:
    """INVALID_ARGUMENT, and an ErrorInfo that says why."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await assistant.Converse(request(place, **({"text": "weather"} | fields)))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert from_rpc_error(caught.value).code == code


@pytest.mark.usefixtures("skill")
async def test_a_typed_turn_has_a_deadline(
    place: Place, replica: Replica, assistant: assistant_pb2_grpc.AssistantAsyncStub
) -> None:
    """It is armed with the turn, in case nobody ever answers."""
    response = await assistant.Converse(request(place, "weather in Paris"))
    message = await replica.bus.jetstream.get_last_msg(
        "DEADLINES", place.address.deadline_arm(response.outcomes[0].turn.turn_id)
    )
    assert outcome_pb2.TurnDeadline.FromString(message.data or b"").waiting_for == "answer"


@pytest.mark.usefixtures("skill")
async def test_a_typed_turn_is_one_trace_below_its_caller(
    place: Place, assistant: assistant_pb2_grpc.AssistantAsyncStub
) -> None:
    """From the caller's span over gRPC, two hops of the bus, the decision and the skill call."""
    recording = recorded_spans()
    exporter = next(recording)
    await assistant.Converse(request(place, "weather in Paris"))
    await asyncio.sleep(0.1)
    spans = exporter.get_finished_spans()
    recording.close()
    named = {span.name: span for span in spans}
    parents = {
        span.name: next(
            (each.name for each in spans if span.parent and each.context.span_id == span.parent.span_id), ""
        )
        for span in spans
    }
    process = "turn.interpreted process"
    assert parents["dialogue.decide"] == process
    assert parents["earshot.skill.v1.Skill/Handle"] == process
    assert parents[process] == "turn.transcribed process"
    assert len({span.context.trace_id for span in named.values()}) == 1
