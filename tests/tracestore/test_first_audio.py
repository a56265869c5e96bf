"""What a user waited: from the end of speech to the first sound of the answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from earshot.common.v1.turn_pb2 import TurnContext
from earshot.dialogue.v1.outcome_pb2 import Outcome, OutcomeKind, Prompt
from earshot_tracestore import wire
from earshot_tracestore.api import application
from earshot_tracestore.model import Batch, TurnFact
from earshot_tracestore.store import Store

SECOND = 1_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store."""
    opened = Store(tmp_path / "traces.sqlite", max_spans=1000, max_turns=1000)
    yield opened
    opened.close()


def fact(turn: str, **known: object) -> TurnFact:
    """Return a fact about a turn."""
    return TurnFact(turn_id=turn, household_id="h1", device_id="d1", **known)


async def listed(store: Store, **query: object) -> list[tuple[str, float | None]]:
    """Return turns as the API lists them, and what their users waited."""
    app = application(store, lost_after_s=60, settled_after_s=10, max_body_bytes=1000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://traces") as client:
        answer = await client.get("/api/turns", params=query)
        assert answer.status_code == 200, answer.text
        return [(turn["turn_id"], turn["first_audio_s"]) for turn in answer.json()["turns"]]


async def test_the_devices_word_goes_before_what_was_heard(store: Store) -> None:
    """A device's own clock wins; without it, its PlaybackStarted counts; a turn that nobody hears has none."""
    heard = {"end_of_speech_ns": 10 * SECOND, "first_audio_ns": 12 * SECOND}
    await store.add(Batch(facts=[fact("told", started_ns=3, first_audio_s=1.8, **heard)]))
    await store.add(Batch(facts=[fact("heard", started_ns=2, **heard)]))
    await store.add(Batch(facts=[fact("typed", started_ns=1, outcome="answered", decided_ns=4)]))
    assert await listed(store) == [("told", 1.8), ("heard", 2.0), ("typed", None)]


async def test_slow_turns_are_those_whose_users_waited_longest(store: Store) -> None:
    """Those that a device gave up come first, then the longest; quick and typed ones are left out; limits hold."""
    waits = {"quick": 0.4, "slow": 2.5, "slower": 3.5}
    await store.add(Batch(facts=[fact(name, first_audio_s=waited) for name, waited in waits.items()]))
    await store.add(Batch(facts=[fact("typed", outcome="answered"), fact("given-up", abandoned="cloud_timeout")]))
    await store.add(Batch(facts=[fact("barged-in", abandoned="interrupted")]))
    assert await listed(store, slower_than_s=1.0) == [("given-up", None), ("slower", 3.5), ("slow", 2.5)]
    assert await listed(store, slower_than_s=1.0, limit=2) == [("given-up", None), ("slower", 3.5)]
    assert await listed(store, slower_than_s=1.0, device="d2") == []


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
async def test_slower_than_what_is_no_time_is_refused(store: Store, seconds: str) -> None:
    """400 with a code."""
    app = application(store, lost_after_s=60, settled_after_s=10, max_body_bytes=1000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://traces") as client:
        answer = await client.get("/api/turns", params={"slower_than_s": seconds})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")


def told(**context: object) -> int | None:
    """Return the end of speech that an outcome tells."""
    outcome = Outcome(turn=TurnContext(**context), kind=OutcomeKind.OUTCOME_KIND_ANSWERED)
    fact = wire.outcome(outcome.SerializeToString(), {}, "device.h1.d1.down.outcome.t1", now_ns=1)
    return fact.end_of_speech_ns


def test_end_of_speech_is_the_start_and_how_long_was_spoken() -> None:
    """An outcome tells both; one of a typed turn, or of an utterance that was refused at once, does not."""
    began = Timestamp()
    began.FromDatetime(datetime(2026, 11, 22, 10, 30, tzinfo=UTC))
    spoken = Duration()
    spoken.FromTimedelta(timedelta(seconds=1.5))
    assert told(start_time=began, end_of_speech_offset=spoken) == began.ToNanoseconds() + 1_500_000_000
    assert told(start_time=began) is None
    assert told(start_time=began, end_of_speech_offset=Duration()) is None


def test_an_answer_that_says_no_more_than_that_it_did_not_understand_is_told() -> None:
    """To dialogue it is an answer like any other; the ledger tells it by the key of its prompt."""
    for key, code in (("assistant.not_understood", "not_understood"), ("clock.time", "")):
        outcome = Outcome(kind=OutcomeKind.OUTCOME_KIND_ANSWERED, prompts=[Prompt(text="…", key=key)])
        fact = wire.outcome(outcome.SerializeToString(), {}, "device.h1.d1.down.outcome.t1", now_ns=1)
        assert (fact.outcome, fact.error_code) == ("answered", code)


def test_a_root_span_tells_first_audio() -> None:
    """What a device measured is in the attribute of its root span; whatever is no number of seconds is not taken."""
    for value, expected in ((AnyValue(double_value=0.75), 0.75), (AnyValue(string_value="soon"), None)):
        request = ExportTraceServiceRequest()
        span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
        for name in ("turn", "household", "device"):
            span.attributes.append(KeyValue(key=f"voice.{name}.id", value=AnyValue(string_value=name)))
        span.attributes.append(KeyValue(key="voice.first_audio_s", value=value))
        (fact,) = wire.batch_of(request).facts
        assert fact.first_audio_s == expected


async def test_a_store_of_before_is_read_on(tmp_path: Path) -> None:
    """A database without these columns gets them, once, and keeps its turns."""
    path = tmp_path / "old.sqlite"
    Store(path, max_spans=10, max_turns=10).close()
    with sqlite3.connect(path) as old:
        for column in ("end_of_speech_ns", "first_audio_s"):
            old.execute(f"ALTER TABLE turn DROP COLUMN {column}")
        old.execute(
            "INSERT INTO turn (turn_id, household_id, device_id, trace_id, locale, outcome, intent, error_code, abandoned,"
            " started_ns, heard_ns) VALUES ('old', 'h1', 'd1', '', '', 'answered', '', '', '', 1, 1)"
        )
    old.close()
    for waited in (None, 0.5):
        opened = Store(path, max_spans=10, max_turns=10)
        assert await listed(opened) == [("old", waited)]
        await opened.add(Batch(facts=[fact("old", first_audio_s=0.5)]))
        opened.close()
