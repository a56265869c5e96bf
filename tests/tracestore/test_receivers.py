"""OTLP over both transports, into the store and out of the query API. No bus is needed."""

import asyncio
import gzip
import sqlite3
import time
from dataclasses import replace

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as collector
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2 as wire

from earshot_chassis.errors import OverloadedError
from earshot_tracestore.api import application
from earshot_tracestore.model import Batch, Span, TurnFact, TurnQuery, TurnState
from earshot_tracestore.otlp_grpc import SERVICE, TraceServicer, add_to_server
from earshot_tracestore.store import Store

TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
PROTOBUF = {"content-type": "application/x-protobuf"}
BASE_NS = 1_800_000_000_000_000_000


def text(value):
    """Return a string attribute's value."""
    return AnyValue(string_value=value)


def request(*spans):
    """Return an export request of one service's spans."""
    exported = collector.ExportTraceServiceRequest()
    resource = exported.resource_spans.add()
    resource.resource.attributes.add(key="service.name", value=text("earshot-asr"))
    resource.scope_spans.add().spans.extend(spans)
    return exported


def span(name="asr.recognize", number=1, parent=b"", trace=TRACE, **attributes):
    """Return a span that starts `number` milliseconds in and takes two."""
    start = BASE_NS + number * 1_000_000
    made = wire.Span(
        trace_id=trace,
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent,
        name=name,
        kind=wire.Span.SPAN_KIND_CONSUMER,
        start_time_unix_nano=start,
        end_time_unix_nano=start + 2_000_000,
    )
    made.attributes.extend(KeyValue(key=key.replace("__", "."), value=value) for key, value in attributes.items())
    return made


@pytest.fixture
def store(tmp_path):
    """A store in a folder that does not exist yet."""
    opened = Store(tmp_path / "new" / "traces.sqlite", max_spans=1000, max_turns=1000)
    yield opened
    opened.close()


@pytest.fixture
async def http(store):
    """A client of the HTTP side."""
    app = application(store, lost_after_s=60, settled_after_s=10, max_body_bytes=100_000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://traces") as client:
        yield client


@pytest.fixture
async def export(store):
    """The method of the gRPC side, as bytes in and out."""
    server = grpc.aio.server()
    add_to_server(TraceServicer(store), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.unary_unary(f"/{SERVICE}/Export")
    await server.stop(None)


async def test_spans_sent_over_grpc_are_found_by_trace(export, http):
    """Names, parents, times and attributes of every type come back as they were sent; gzip makes no difference."""
    array = AnyValue(array_value=ArrayValue(values=[text("a"), AnyValue(int_value=2)]))
    child = span("asr.decode", 2, (1).to_bytes(8, "big"), n=AnyValue(int_value=7), b=AnyValue(bool_value=True), l=array)
    child.events.add(name="first", time_unix_nano=5)
    child.status.code = wire.Status.STATUS_CODE_ERROR
    child.status.message = "timeout"
    await export(request(span()).SerializeToString(), compression=grpc.Compression.Gzip)
    await export(request(child).SerializeToString())
    spans = (await http.get(f"/api/traces/{TRACE.hex()}")).json()["spans"]
    assert [found["name"] for found in spans] == ["asr.recognize", "asr.decode"]
    assert spans[1]["parent_span_id"] == spans[0]["span_id"]
    assert spans[1]["attributes"] == {"n": 7, "b": True, "l": ["a", 2]}
    assert spans[1]["end_ns"] - spans[1]["start_ns"] == 2_000_000
    assert (spans[1]["status"], spans[1]["status_message"]) == ("error", "timeout")
    assert spans[1]["events"] == [{"name": "first", "time_ns": 5, "attributes": {}}]
    assert (spans[0]["service"], spans[0]["kind"]) == ("earshot-asr", "consumer")


@pytest.mark.parametrize("packed", [False, True])
async def test_spans_sent_over_http_are_found_by_trace(http, packed):
    """A protobuf body is taken plain and as gzip."""
    body = request(span()).SerializeToString()
    headers = PROTOBUF | ({"content-encoding": "gzip"} if packed else {})
    answer = await http.post("/v1/traces", content=gzip.compress(body) if packed else body, headers=headers)
    assert answer.status_code == 200
    assert collector.ExportTraceServiceResponse.FromString(answer.content) == collector.ExportTraceServiceResponse()
    assert len((await http.get(f"/api/traces/{TRACE.hex()}")).json()["spans"]) == 1


async def test_a_span_that_is_exported_twice_is_kept_once(store, export):
    """Exporters send again after a lost answer."""
    for _ in range(2):
        await export(request(span()).SerializeToString())
    assert len(await store.spans(TRACE.hex())) == 1


async def test_malformed_bytes_are_the_senders_fault_over_grpc(export):
    """INVALID_ARGUMENT, which exporters do not retry; the next export is taken."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await export(b"\xff\xff\xff")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    await export(request(span()).SerializeToString())


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff\xff\xff", PROTOBUF, 400),
        (b"not gzip", PROTOBUF | {"content-encoding": "gzip"}, 400),
        (gzip.compress(b"x" * 100, mtime=0)[:-9], PROTOBUF | {"content-encoding": "gzip"}, 400),
        (b"x", PROTOBUF | {"content-encoding": "br"}, 400),
        (b"{}", {"content-type": "application/json"}, 415),
        (b"x" * 100_001, PROTOBUF, 413),
        (gzip.compress(b"\0" * 10_000_000, mtime=0), PROTOBUF | {"content-encoding": "gzip"}, 413),
    ],
)
async def test_malformed_bodies_are_refused_with_a_code(http, content, headers, status):
    """Broken, cut, oversized and foreign bodies, and a bomb, get a 4xx with a code, and nothing else is disturbed."""
    answer = await http.post("/v1/traces", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["code"]
    assert (await http.get("/api/turns")).json() == {"turns": []}


async def test_spans_without_ids_are_told_and_the_others_kept(export, store):
    """A partial success names how many were refused."""
    bad = span(number=3)
    bad.trace_id = b"\0" * 16
    short = span(number=4)
    short.span_id = b"\1"
    answer = collector.ExportTraceServiceResponse.FromString(
        await export(request(span(), bad, short).SerializeToString())
    )
    assert answer.partial_success.rejected_spans == 2
    assert len(await store.spans(TRACE.hex())) == 1


async def test_a_root_span_tells_of_its_turn(export, http):
    """The trace is found by the turn's id, by its beginning and by its end."""
    turn = "01890a5d-ac96-774b-bcce-b302099a8057"
    attributes = {"voice__turn__id": text(turn), "voice__household__id": text("h1"), "voice__device__id": text("d1")}
    await export(request(span("voice.turn", **attributes)).SerializeToString())
    for name in (turn, turn[:8], turn[-6:]):
        found = (await http.get(f"/api/turns/{name}")).json()
        assert found["turn"]["trace_id"] == TRACE.hex()
        assert [one["name"] for one in found["spans"]] == ["voice.turn"]


@pytest.mark.parametrize(
    "path", ["/api/turns/unknown", "/api/traces/00", "/api/turns/%25%25%25%25%25%25", "/api/turns/______"]
)
async def test_what_is_unknown_is_said_to_be(http, path):
    """404 with a code."""
    answer = await http.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"].startswith("unknown_")


async def test_a_part_of_an_id_finds_its_turn_alone(http, store):
    """Six characters of its beginning or end; fewer are refused, and of several turns all are told."""
    ids = ("0199aaaa-1111", "0199aaaa-2222", "short")
    facts = [fact(turn=name, started_ns=number) for number, name in enumerate(ids)]
    await store.add(Batch(facts=facts))
    assert (await http.get("/api/turns/a-2222")).json()["turn"]["turn_id"] == ids[1]
    assert (await http.get("/api/turns/short")).json()["turn"]["turn_id"] == "short"
    refused = await http.get("/api/turns/-2222")
    assert (refused.status_code, refused.json()["code"]) == (400, "fragment_too_short")
    several = await http.get("/api/turns/0199aaaa")
    assert (several.status_code, several.json()["code"]) == (409, "ambiguous_turn")
    assert [turn["turn_id"] for turn in several.json()["turns"]] == [ids[1], ids[0]]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "at=yesterday", "at=2026-11-22T10:00:00", "window_s=-1"])
async def test_a_query_that_can_not_be_read_is_refused(http, query):
    """400 with a code, never a stack trace."""
    answer = await http.get(f"/api/turns?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_query"


def one_span():
    """Return a span as the store takes it."""
    return Span(
        trace_id=TRACE.hex(),
        span_id="0" * 15 + "1",
        parent_span_id="",
        name="asr.recognize",
        kind="internal",
        service="earshot-asr",
        instance="asr-0",
        start_ns=1,
        end_ns=2,
        status="unset",
        status_message="",
        attributes={},
        events=(),
        links=(),
    )


def fact(turn="t1", device="d1", **known):
    """Return a fact about a turn."""
    return TurnFact(turn_id=turn, household_id="h1", device_id=device, **known)


async def test_a_turn_is_the_sum_of_what_was_heard_of_it(store):
    """Facts in any order add up; what was told first stays."""
    await store.add(Batch(facts=[fact(outcome="answered", decided_ns=30, intent="clock.get_time")]))
    await store.add(Batch(facts=[fact(started_ns=10, trace_id="ab", locale="en-US")]))
    await store.add(Batch(facts=[fact(outcome="apologised", decided_ns=99, first_audio_ns=40)]))
    turn = await store.turn("t1")
    expected = fact(
        outcome="answered",
        decided_ns=30,
        intent="clock.get_time",
        started_ns=10,
        trace_id="ab",
        locale="en-US",
        first_audio_ns=40,
    )
    assert turn.fact == expected
    assert turn.duration_s == pytest.approx(20e-9)


async def test_unfinished_and_lost_turns_show(store, http):
    """A turn without an outcome is unfinished, then lost; one that the device gave up is abandoned."""
    await store.add(Batch(facts=[fact("young", started_ns=1), fact("given-up", abandoned="cloud_timeout")]))
    states = {turn["turn_id"]: turn["state"] for turn in (await http.get("/api/turns")).json()["turns"]}
    assert states == {"young": "unfinished", "given-up": "abandoned"}
    young = await store.turn("young")
    assert young.state(young.heard_ns + 61_000_000_000, 60.0) is TurnState.LOST


async def test_turns_are_listed_by_device_and_time(store, http):
    """Newest first, of one device or all, around a moment or ever."""
    seconds = [0, 100, 200]
    await store.add(Batch(facts=[fact(f"t{s}", started_ns=BASE_NS + s * 1_000_000_000) for s in seconds]))
    await store.add(Batch(facts=[fact("other", "d2", started_ns=BASE_NS)]))

    async def listed(**query):
        return [turn["turn_id"] for turn in (await http.get("/api/turns", params=query)).json()["turns"]]

    assert await listed(device="d1") == ["t200", "t100", "t0"]
    assert await listed(device="d1", limit=1) == ["t200"]
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BASE_NS // 10**9 + 90))
    assert await listed(at=moment, window_s=20) == ["t100"]
    assert await listed(household="elsewhere") == []


async def test_retention_is_bounded_and_the_oldest_go_first(tmp_path):
    """However much comes, at most a tenth more than allowed is kept, and the newest is."""
    store = Store(tmp_path / "traces.sqlite", max_spans=100, max_turns=10)
    for number in range(300):
        await store.add(Batch(facts=[fact(f"t{number}", started_ns=number)]))
    turns = await store.turns(TurnQuery(limit=1000))
    assert len(turns) <= 11
    assert turns[0].fact.turn_id == "t299"
    store.close()


async def test_many_senders_at_once_are_all_committed(store):
    """Batches that wait together are written together and none is lost, also over a reopening."""
    await asyncio.gather(*(store.add(Batch(facts=[fact(f"t{number}")])) for number in range(200)))
    assert len(await store.turns(TurnQuery(limit=1000))) == 200


async def test_what_waits_to_be_written_is_bounded_in_spans(tmp_path):
    """A flood while the disk is slow is sent away in time; one batch is always taken, however large."""
    store = Store(tmp_path / "slow.sqlite", max_spans=10, max_turns=10)
    holder = sqlite3.connect(tmp_path / "slow.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    large = Batch(spans=[one_span()] * 30_000)
    taken = asyncio.ensure_future(store.add(large))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await store.add(Batch(spans=[one_span()]))
    holder.execute("COMMIT")
    await taken
    await store.add(Batch(spans=[one_span()]))
    holder.close()
    await asyncio.to_thread(store.close)


async def test_a_full_queue_tells_the_sender_to_come_back(store, monkeypatch, http):
    """Overload is said at once: 503 with Retry-After over HTTP."""

    async def full(_batch):
        raise OverloadedError("the trace store is behind")

    monkeypatch.setattr(store, "add", full)
    answer = await http.post("/v1/traces", content=request(span()).SerializeToString(), headers=PROTOBUF)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_write_that_fails_is_the_senders_to_know(store):
    """An error of the database reaches who waits for the commit; the writer goes on."""
    with pytest.raises(sqlite3.Error):
        await store.add(Batch(facts=[replace(fact(), locale=["not", "text"])]))
    await store.add(Batch(facts=[fact("next")]))
    assert await store.turn("next")


async def test_a_closing_store_sends_everybody_away(tmp_path):
    """Nobody waits for a commit that never comes; what was waiting is written."""
    store = Store(tmp_path / "traces.sqlite", max_spans=10, max_turns=10)
    waiting = asyncio.ensure_future(store.add(Batch(facts=[fact()])))
    await asyncio.sleep(0)
    await asyncio.to_thread(store.close)
    await waiting
    with pytest.raises(OverloadedError):
        await store.add(Batch(facts=[fact("late")]))


def test_a_file_that_is_no_database_is_refused(tmp_path):
    """Nothing is overwritten."""
    path = tmp_path / "traces.sqlite"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(sqlite3.Error):
        Store(path, max_spans=1, max_turns=1)
