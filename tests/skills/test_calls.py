"""Calls over gRPC: the Skill contract on top of handlers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from google.rpc import code_pb2
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from earshot.common.v1 import turn_pb2
from earshot.device.v1 import upstream_pb2
from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_errors import from_rpc_error
from earshot_chassis.rpc_server import GrpcServer
from earshot_skillkit import MemoryScheduler, MemoryStates, MemoryWords, Request, Schedules, Span, load_folder, wire
from earshot_skillkit.dispatch import Dispatcher
from earshot_skillkit.effects import MemoryJournal
from earshot_skillkit.package import SkillPackage
from earshot_skillkit.servicer import NAME, SkillServicer
from earshot_skillkit.skill import Host, handlers_of
from earshot_topology import attributes
from support.spans import recorded_spans
from support.toy_skill import Toy, write_toy

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass(slots=True)
class Served:
    """A toy behind a gRPC server."""

    package: SkillPackage
    toy: Toy
    dispatcher: Dispatcher
    stub: skill_pb2_grpc.SkillStub

    async def call(self, intent: str, *slots, timeout_s: float = 5, **fields) -> list[skill_pb2.HandleResponse]:
        """Call an intent and return every response."""
        return [each async for each in self.stub.Handle(request(intent, *slots, **fields), timeout=timeout_s)]

    async def error(self, intent: str, *slots, **fields):
        """Call an intent that fails; return the gRPC status and the error as the caller reads it."""
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.call(intent, *slots, **fields)
        return raised.value.code(), from_rpc_error(raised.value)


def request(intent: str, *slots, locale: str = "en-US", time_zone: str = "Asia/Tokyo", **fields):
    """Return a call."""
    turn = turn_pb2.TurnContext(
        turn_id="T", household_id="h1", device_id="d1", session_id="S", locale=locale, time_zone=time_zone
    )
    values = {"idempotency_key": "h1.d1.T.0", "attempt": 1, "turn": turn} | fields
    return skill_pb2.HandleRequest(intent=intent, slots=[wire.slot(*slot) for slot in slots], **values)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Record the spans of this process."""
    yield from recorded_spans()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Serve a toy."""
    package = load_folder(write_toy(tmp_path / "toy"), version="1.0.0")
    toy = Toy(
        Host(
            states=MemoryStates(),
            schedules=Schedules(MemoryScheduler(lambda: NOW)),
            words=MemoryWords(),
            now=lambda: NOW,
        )
    )
    dispatcher = Dispatcher(handlers_of(toy, package.manifest), timeout_s=0.3, now=lambda: NOW)
    server = GrpcServer()
    server.add(
        skill_pb2_grpc.add_SkillServicer_to_server,
        SkillServicer(package, dispatcher, MemoryJournal(), lambda: NOW),
        NAME,
    )
    port = await server.start("127.0.0.1", 0)
    async with connect(f"127.0.0.1:{port}") as channel:
        yield Served(package, toy, dispatcher, skill_pb2_grpc.SkillStub(channel))
    await server.stop(0)


async def test_a_skill_describes_itself(served: Served) -> None:
    """Intents, slots, words and questions are told; the digest is that of the rest."""
    description = (await served.stub.Describe(skill_pb2.DescribeRequest())).description
    assert (description.skill_id, description.version) == ("toy", "1.0.0")
    greet = next(each for each in description.intents if each.name == "greet")
    assert [(slot.name, slot.type, slot.required) for slot in greet.slots] == [
        ("name", skill_pb2.SLOT_TYPE_TEXT, True),
        ("times", skill_pb2.SLOT_TYPE_NUMBER, False),
    ]
    assert [each.name for each in description.intents if each.has_effect] == ["halt"]
    assert {each.locale: dict(each.slot_prompts) for each in description.locales} == {
        "en-US": {"greet.name": "Whom?"},
        "zh-CN": {"greet.name": "谁？"},
    }
    assert "greet" in description.locales[0].sentences_yaml
    assert description.timeout.ToTimedelta() == timedelta(seconds=2)
    assert description.effect_guarantee == skill_pb2.EFFECT_GUARANTEE_EXACTLY_ONCE
    assert description.digest == wire.description(served.package).digest
    assert len(description.digest) == 64


async def test_an_answer_has_words_key_and_context(served: Served) -> None:
    """The prompt says where its words come from; the context is kept as JSON values."""
    (response,) = await served.call("greet", ("name", "Ada", "Ada"), ("times", "three", 3.0))
    prompt = response.answer.prompts[0]
    assert (prompt.text, prompt.locale, prompt.key) == ("Hello Ada, 3 times.", "en-US", "toy.hello")
    assert prompt.interruptible
    assert response.answer.final
    assert dict(response.answer.context) == {"last": "Ada"}
    assert response.answer.effect_result == skill_pb2.EFFECT_RESULT_UNSPECIFIED


async def test_a_question_names_its_slot(served: Served) -> None:
    """A missing slot is asked for in the locale of the call."""
    (response,) = await served.call("greet", locale="zh-CN")
    assert (response.question.slot_name, response.question.prompt.text) == ("name", "谁？")


async def test_a_stream_numbers_its_directives(served: Served) -> None:
    """Filler, segment, final segment; directive ids are unique and the same at every attempt."""
    for attempt in (1, 2):
        filler, first, last = await served.call("stream", attempt=attempt)
        assert filler.filler.text == "One moment."
        assert (first.answer.final, last.answer.final) == (False, True)
        assert [first.answer.directives[0].directive_id, last.answer.directives[0].directive_id] == [
            "h1.d1.T.0.0",
            "h1.d1.T.0.1",
        ]
    assert served.toy.closed_streams == 2


async def test_an_effect_is_reported_as_done(served: Served) -> None:
    """A handler of an intent with an effect that answers has done it."""
    (response,) = await served.call("halt")
    assert response.answer.effect_result == skill_pb2.EFFECT_RESULT_DONE
    assert response.answer.directives[0].WhichOneof("command") == "stop"


@pytest.mark.parametrize(
    ("intent", "slots", "fields", "code"),
    [
        ("nothing", (), {}, "unknown_intent"),
        ("greet", (("colour", "red", "red"),), {}, "invalid_slot"),
        ("greet", (("name", "7", 7.0),), {}, "invalid_slot"),
        ("greet", (("name", "a" * 100_000, "Ada"),), {}, "invalid_slot"),
        ("greet", (("name", "Ada", "字" * 501),), {}, "invalid_slot"),
        ("greet", (), {"locale": "fr-FR"}, "unsupported_locale"),
        ("greet", (), {"time_zone": "Mars/Olympus"}, "invalid_request"),
        ("greet", (), {"time_zone": "../etc/passwd"}, "invalid_request"),
        ("greet", (), {"idempotency_key": ""}, "invalid_request"),
    ],
)
async def test_a_call_that_is_wrong_is_refused(served: Served, intent, slots, fields, code) -> None:
    """INVALID_ARGUMENT with a code, and the skill goes on."""
    status, error = await served.error(intent, *slots, **fields)
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.code, error.stage, error.retryable) == (code, "skill", False)


@pytest.mark.parametrize(
    ("intent", "status", "code", "retryable"),
    [
        ("fail", grpc.StatusCode.UNAVAILABLE, "source_unavailable", True),
        ("crash", grpc.StatusCode.INTERNAL, "internal", False),
        ("endless", grpc.StatusCode.FAILED_PRECONDITION, "broken_skill", False),
        ("silent", grpc.StatusCode.FAILED_PRECONDITION, "broken_skill", False),
        ("sleep", grpc.StatusCode.DEADLINE_EXCEEDED, "deadline_exceeded", True),
    ],
)
async def test_a_handler_that_fails_has_a_status(served: Served, intent, status, code, retryable) -> None:
    """Every way to fail has its status and code; no exception text of a mistake gets out."""
    found, error = await served.error(intent)
    assert (found, error.code, error.retryable) == (status, code, retryable)
    assert "ZeroDivision" not in str(error)
    assert code_pb2.Code.Name(found.value[0])


async def test_a_deadline_that_has_passed_ends_the_call_at_once(served: Served) -> None:
    """The deadline in the request counts, not only the channel's."""
    past = wire.timestamp(NOW - timedelta(seconds=1))
    started = asyncio.get_running_loop().time()
    status, _ = await served.error("sleep", deadline_time=past)
    assert status is grpc.StatusCode.DEADLINE_EXCEEDED
    assert asyncio.get_running_loop().time() - started < 0.25


async def test_a_caller_that_hangs_up_ends_the_handler(served: Served) -> None:
    """A cancelled call leaves nothing running."""
    call = served.stub.Handle(request("sleep"), timeout=5)
    reading = asyncio.create_task(call.read())
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await served.dispatcher.idle(1)


async def test_a_request_is_read_in_the_users_time(served: Served) -> None:
    """Time zone, device state, context and spans arrive as a handler wants them."""
    start = datetime.fromisoformat("2026-11-23T00:00:00+09:00")
    span = Span(start=start, end=start + timedelta(days=1), grain="day")
    message = request("greet", ("name", "tomorrow", span), ("times", "an hour", timedelta(hours=1)))
    message.context.update({"last": "Ada", "list": [1, 2]})
    message.device_state.CopyFrom(upstream_pb2.StateChanged(volume_percent=40, media_playing=True, media_item_id="m"))
    message.deadline_time.CopyFrom(wire.timestamp(NOW + timedelta(seconds=3)))
    read: Request = wire.request(message, served.package, journal=MemoryJournal(), now=NOW)
    assert read.now.isoformat() == "2026-11-22T21:00:00+09:00"
    assert read.deadline == NOW + timedelta(seconds=3)
    assert read.span("name") == span
    assert read.duration("times") == timedelta(hours=1)
    assert read.context == {"last": "Ada", "list": [1, 2]}
    assert read.device is not None
    assert (read.device.volume_percent, read.device.media_item_id) == (40, "m")
    assert (read.household_id, read.device_id, read.turn_id, read.session_id) == ("h1", "d1", "T", "S")


async def test_a_call_shows_in_the_trace(served: Served, spans: InMemorySpanExporter) -> None:
    """The server's span tells skill, version, intent and attempt, and nothing that was said."""
    await served.call("greet", ("name", "Ada", "Ada"), attempt=2)
    (span,) = [each for each in spans.get_finished_spans() if each.kind is SpanKind.SERVER]
    told = dict(span.attributes or {})
    assert {name: told[name] for name in told if name.startswith("voice.")} == {
        attributes.SKILL_ID: "toy",
        attributes.SKILL_VERSION: "1.0.0",
        attributes.INTENT: "toy.greet",
        attributes.SKILL_ATTEMPT: 2,
    }
    assert set(told) <= attributes.DECLARED
    assert "Ada" not in str(told)
