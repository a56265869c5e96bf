"""gRPC of the chassis: spans on both sides, deadlines, errors with their codes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from earshot.nlu.v1 import interpreter_pb2, interpreter_pb2_grpc
from earshot.skill.v1 import skill_pb2, skill_pb2_grpc
from earshot_chassis import telemetry
from earshot_chassis.errors import InvalidInputError, OverloadedError, PermanentError, RetryableError
from earshot_chassis.rpc_client import connect
from earshot_chassis.rpc_errors import from_rpc_error
from earshot_chassis.rpc_server import GrpcServer
from support.spans import recorded_spans


class Interpreter(interpreter_pb2_grpc.InterpreterServicer):
    async def Interpret(self, request, _context):
        match request.locale:
            case "invalid":
                raise InvalidInputError("unknown locale", code="unsupported_locale")
            case "busy":
                raise OverloadedError("come back later")
            case "crash":
                raise ZeroDivisionError("secret")
        return interpreter_pb2.InterpretResponse(registry_revision=7)


class Skill(skill_pb2_grpc.SkillServicer):
    async def Handle(self, request, _context) -> AsyncIterator[skill_pb2.HandleResponse]:
        yield skill_pb2.HandleResponse(answer=skill_pb2.Answer(final=False))
        if request.intent == "fail":
            raise PermanentError("no such thing", code="not_found")
        yield skill_pb2.HandleResponse(answer=skill_pb2.Answer(final=True))


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Record the spans of this process."""
    yield from recorded_spans()


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    """Serve both fakes and connect to them."""
    server = GrpcServer()
    server.add(interpreter_pb2_grpc.add_InterpreterServicer_to_server, Interpreter(), "earshot.nlu.v1.Interpreter")
    server.add(skill_pb2_grpc.add_SkillServicer_to_server, Skill(), "earshot.skill.v1.Skill")
    port = await server.start("127.0.0.1", 0)
    await server.report(serving=True)
    async with connect(f"127.0.0.1:{port}", default_timeout_s=20) as opened:
        yield opened
    await server.stop(0)


async def test_call_joins_the_callers_trace(channel: grpc.aio.Channel, spans: InMemorySpanExporter) -> None:
    """A call gives a client span under the caller's and a server span under the client's."""
    stub = interpreter_pb2_grpc.InterpreterStub(channel)
    with telemetry.span("turn"):
        response = await stub.Interpret(interpreter_pb2.InterpretRequest(locale="en-US"))
    assert response.registry_revision == 7
    await asyncio.sleep(0.05)
    by_kind = {span.kind.name: span for span in spans.get_finished_spans()}
    assert set(by_kind) == {"INTERNAL", "CLIENT", "SERVER"}
    assert by_kind["CLIENT"].parent.span_id == by_kind["INTERNAL"].context.span_id
    assert by_kind["SERVER"].parent.span_id == by_kind["CLIENT"].context.span_id
    assert by_kind["SERVER"].name == "earshot.nlu.v1.Interpreter/Interpret"


async def test_stream_joins_the_callers_trace(channel: grpc.aio.Channel, spans: InMemorySpanExporter) -> None:
    """A server stream gives one client and one server span, whatever its length."""
    stub = skill_pb2_grpc.SkillStub(channel)
    with telemetry.span("turn"):
        answers = [response async for response in stub.Handle(skill_pb2.HandleRequest())]
    assert [answer.answer.final for answer in answers] == [False, True]
    await asyncio.sleep(0.05)
    assert sorted(span.kind.name for span in spans.get_finished_spans()) == ["CLIENT", "INTERNAL", "SERVER"]


@pytest.mark.parametrize(
    ("locale", "status", "code", "kind"),
    [
        ("invalid", grpc.StatusCode.INVALID_ARGUMENT, "unsupported_locale", InvalidInputError),
        ("busy", grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded", RetryableError),
        ("crash", grpc.StatusCode.INTERNAL, "internal", PermanentError),
    ],
)
async def test_error_keeps_its_code(channel: grpc.aio.Channel, locale, status, code, kind) -> None:
    """An error crosses gRPC as google.rpc.Status and comes back as one of ours; a crash tells nothing."""
    stub = interpreter_pb2_grpc.InterpreterStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Interpret(interpreter_pb2.InterpretRequest(locale=locale))
    assert caught.value.code() is status
    assert "secret" not in (caught.value.details() or "")
    ours = from_rpc_error(caught.value)
    assert (type(ours), ours.code) == (kind, code)


async def test_error_in_the_middle_of_a_stream(channel: grpc.aio.Channel) -> None:
    """What was streamed before an error arrives, then the error with its code."""
    stub = skill_pb2_grpc.SkillStub(channel)
    call = stub.Handle(skill_pb2.HandleRequest(intent="fail"))
    answers = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for response in call:
            answers.append(response)  # noqa: PERF401 - the loop raises in its middle
    assert len(answers) == 1
    assert from_rpc_error(caught.value).code == "not_found"


async def test_health_is_served(channel: grpc.aio.Channel) -> None:
    """grpc.health.v1 answers for the server and for each of its services."""
    stub = health_pb2_grpc.HealthStub(channel)
    for name in ("", "earshot.skill.v1.Skill"):
        response = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert response.status == health_pb2.HealthCheckResponse.SERVING


async def test_what_is_not_ready_is_alive_all_the_same() -> None:
    """Health tells apart whether a server takes calls and whether it is alive, so that a lost bus restarts nothing."""
    server = GrpcServer()
    port = await server.start("127.0.0.1", 0)
    try:
        await server.report(serving=False)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            status = {
                name: (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status for name in ("", "live")
            }
    finally:
        await server.stop(0)
    assert status == {"": health_pb2.HealthCheckResponse.NOT_SERVING, "live": health_pb2.HealthCheckResponse.SERVING}


@pytest.mark.parametrize(
    ("kind", "path"), [("unary_unary", "nlu.v1.Interpreter/Interpret"), ("unary_stream", "skill.v1.Skill/Handle")]
)
async def test_bytes_that_are_no_request_are_refused_with_a_code(
    channel: grpc.aio.Channel, kind: str, path: str
) -> None:
    """Without our own reading grpc would end such a call as UNKNOWN."""
    call = getattr(channel, kind)(f"/earshot.{path}")(b"\xff\xff\xff", timeout=5)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        _ = [each async for each in call] if kind == "unary_stream" else await call
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert from_rpc_error(caught.value).code == "malformed_payload"


@contextlib.asynccontextmanager
async def crowded(places: int, servicer: Busy, *, default_timeout_s: float = 20) -> AsyncIterator[grpc.aio.Channel]:
    """Serve so many calls at once."""
    server = GrpcServer(places)
    server.add(interpreter_pb2_grpc.add_InterpreterServicer_to_server, servicer, "earshot.nlu.v1.Interpreter")
    server.add(skill_pb2_grpc.add_SkillServicer_to_server, servicer, "earshot.skill.v1.Skill")
    port = await server.start("127.0.0.1", 0)
    await server.report(serving=True)
    async with connect(f"127.0.0.1:{port}", default_timeout_s=default_timeout_s) as opened:
        yield opened
    await server.stop(0)


class Busy(interpreter_pb2_grpc.InterpreterServicer, skill_pb2_grpc.SkillServicer):
    """Works until it is let go."""

    def __init__(self) -> None:
        self.working = 0
        self.go = asyncio.Event()

    async def Interpret(self, request, _context):
        del request
        self.working += 1
        await self.go.wait()
        return interpreter_pb2.InterpretResponse()

    async def Handle(self, request, _context) -> AsyncIterator[skill_pb2.HandleResponse]:
        del request
        yield skill_pb2.HandleResponse(answer=skill_pb2.Answer(final=False))
        self.working += 1
        await self.go.wait()
        yield skill_pb2.HandleResponse(answer=skill_pb2.Answer(final=True))


async def test_calls_beyond_the_places_are_refused_retryably() -> None:
    """Calls and streams share the places; health is answered all the same; an ended or cancelled call leaves its place."""
    servicer = Busy()
    async with crowded(3, servicer) as channel, asyncio.timeout(20):
        interpreter, skill = interpreter_pb2_grpc.InterpreterStub(channel), skill_pb2_grpc.SkillStub(channel)
        calls = [asyncio.ensure_future(interpreter.Interpret(interpreter_pb2.InterpretRequest())) for _ in range(2)]
        stream = skill.Handle(skill_pb2.HandleRequest())
        await stream.read()
        while servicer.working < 3:
            await asyncio.sleep(0.01)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await interpreter.Interpret(interpreter_pb2.InterpretRequest())
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (from_rpc_error(refused.value).code, from_rpc_error(refused.value).retryable) == ("overloaded", True)
        with pytest.raises(grpc.aio.AioRpcError):
            await skill.Handle(skill_pb2.HandleRequest()).read()
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        stream.cancel()
        served = None
        while served is None:
            following = skill.Handle(skill_pb2.HandleRequest())
            with contextlib.suppress(grpc.aio.AioRpcError):
                served = await following.read()
        servicer.go.set()
        await asyncio.gather(*calls)
        await interpreter.Interpret(interpreter_pb2.InterpretRequest())


async def test_a_call_has_the_deadline_of_its_channel() -> None:
    """What takes longer is a retryable error of ours; nobody waits for ever."""
    async with crowded(1, Busy(), default_timeout_s=0.3) as channel, asyncio.timeout(20):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await interpreter_pb2_grpc.InterpreterStub(channel).Interpret(interpreter_pb2.InterpretRequest())
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    ours = from_rpc_error(caught.value)
    assert (type(ours), ours.code) == (RetryableError, "rpc_deadline_exceeded")
