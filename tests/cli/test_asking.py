"""Commands that ask a running stack: ask, turns, trace."""

import asyncio
import json
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from earshot_cli.commands.turns import moment
from earshot_cli.errors import BadArgumentError
from earshot_cli.options import locale_of
from earshot_cli.scaling import load
from earshot_local.absences import Absences
from earshot_local.events import State
from earshot_tracestore.model import Batch, Span, TurnFact

pytestmark = pytest.mark.usefixtures("running")

START = 1_800_000_000_000_000_000


def span(number, parent=0, **changed):
    """Return a span that begins number × 10 ms in."""
    known = {
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": f"{number:016x}",
        "parent_span_id": f"{parent:016x}" if parent else "",
        "name": f"span-{number}",
        "kind": "internal",
        "service": "earshot-asr",
        "instance": "asr-0",
        "start_ns": START + number * 10_000_000,
        "end_ns": START + number * 10_000_000 + 5_000_000,
        "status": "unset",
        "status_message": "",
        "attributes": {},
        "events": [],
        "links": [],
    }
    return Span(**(known | changed))


@pytest.fixture
def known_turns(store):
    """One answered turn with a trace, one lost one of another device."""
    answered = TurnFact(
        turn_id="turn-answered",
        household_id="home",
        device_id="kitchen",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        started_ns=START,
        decided_ns=START + 250_000_000,
        outcome="answered",
        intent="clock.get_time",
        first_audio_s=1.25,
    )
    given_up = TurnFact(
        turn_id="turn-lost", household_id="home", device_id="attic", started_ns=START, abandoned="network_lost"
    )
    spans = [
        span(1, name="voice.turn", end_ns=START + 100_000_000),
        span(2, 1, status="error", status_message="timeout"),
        span(3, 2),
    ]
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(store.add(Batch(spans=spans, facts=[answered, given_up])))


def test_ask_prints_the_answer(run):
    """People read the answer, what was understood and how the turn ended."""
    printed = run("ask", "what time is it in Tokyo")
    assert "You asked: what time is it in Tokyo" in printed
    assert "clock.get_time" in printed
    assert "city=Tokyo" in printed


def test_ask_prints_one_json_document(run):
    """Programs read one document with typed slots."""
    document = json.loads(run("ask", "现在几点了", "--json"))
    assert document["kind"] == "answered"
    assert document["slots"] == {"city": "Tokyo", "wait": 60.0}
    assert document["answer"] == "You asked: 现在几点了"


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [("现在几点了", None, "zh-CN"), ("what time is it", None, "en-US"), ("play 七里香", "en-US", "en-US")],
)
def test_the_locale_is_that_of_the_text_unless_it_is_given(text, given, expected):
    """Typed Mandarin is not sent as English."""
    assert locale_of(text, given) == expected


@pytest.mark.usefixtures("known_turns")
def test_turns_lists_lost_ones_too(run):
    """Both turns are listed with how they ended; one device's alone where it is asked for."""
    printed = run("turns")
    assert "urn-answered" in printed
    assert "abandoned" in printed
    assert "network_lost" in printed
    only = json.loads(run("turns", "--device", "attic", "--json"))["turns"]
    assert [turn["turn_id"] for turn in only] == ["turn-lost"]


@pytest.mark.usefixtures("known_turns")
def test_turns_tells_what_its_user_waited(run):
    """First audio is a column of its own beside the decision, in the document too; slow turns are asked for by it."""
    printed = run("turns")
    for told in ("first audio", "1.25 s", "decided", "0.25 s"):
        assert told in printed
    waited = {turn["turn_id"]: turn["first_audio_s"] for turn in json.loads(run("turns", "--json"))["turns"]}
    assert waited == {"turn-answered": 1.25, "turn-lost": None}
    slow = json.loads(run("turns", "--slower", "1", "--json"))["turns"]
    assert [turn["turn_id"] for turn in slow] == ["turn-lost", "turn-answered"]
    slower = json.loads(run("turns", "--slower", "1.5", "--json"))["turns"]
    assert [turn["turn_id"] for turn in slower] == ["turn-lost"]


def test_whoever_asks_is_led_to_the_skill_that_is_away(run, running):
    """What nobody understood says at once which skill is away; what was understood does not."""
    Absences(running.absences).note("dice", "dice-0", State.CRASHED, "ended with exit code 1 before it was ready")
    line = "skill dice was away: dice-0 ended with exit code 1 before it was ready (earshot status)"
    assert line in run("ask", "what did you say")
    assert line not in run("ask", "what time is it in Tokyo")


def test_a_turn_that_nobody_understood_leads_to_the_skill_that_was_away(run, running, store, monkeypatch):
    """What was not understood names skills that were away then, how they ended and where to look; other turns do not."""
    absences = Absences(running.absences)
    absences.begin()
    absences.note("clock", "clock-0", State.READY, "")
    absences.note("dice", "dice-0", State.CRASHED, "ended with exit code 1 before it was ready")
    now_ns = time.time_ns()
    known = {"household_id": "home", "started_ns": now_ns, "decided_ns": now_ns + 1_000_000, "outcome": "answered"}
    turns = [
        TurnFact(turn_id="roll-a-die", device_id="typed", error_code="not_understood", **known),
        TurnFact(turn_id="murmuring", device_id="heard", error_code="not_for_us", **known | {"outcome": "rejected"}),
        TurnFact(turn_id="what-time-is-it", device_id="well", intent="clock.get_time", **known),
        TurnFact(turn_id="was-answered", device_id="well", error_code="timeout", intent="clock.get_time", **known),
        TurnFact(turn_id="rolling", device_id="gone", error_code="skill_unavailable", intent="dice.roll", **known),
        TurnFact(
            turn_id="long-ago",
            device_id="typed",
            error_code="not_understood",
            **known | {"started_ns": 1, "decided_ns": 2},
        ),
    ]
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(store.add(Batch(facts=turns)))
    found = {turn["turn_id"]: turn["skills_away"] for turn in json.loads(run("turns", "--json"))["turns"]}
    dice = [{"skill": "dice", "process": "dice-0", "ending": "ended with exit code 1 before it was ready"}]
    assert {turn: told for turn, told in found.items() if told} == {
        "roll-a-die": dice,
        "murmuring": dice,
        "rolling": dice,
    }
    line = "skill dice was away: dice-0 ended with exit code 1 before it was ready (earshot status)"
    monkeypatch.setenv("COLUMNS", "300")
    assert run("turns").count(line) == 3
    assert line in run("trace", "roll-a-die")
    assert json.loads(run("trace", "roll-a-die", "--json"))["turn"]["skills_away"] == dice


@pytest.mark.usefixtures("known_turns")
def test_turns_at_a_time_lists_those_around_it(run):
    """A full time finds them, another one does not."""
    around = datetime.fromtimestamp(START // 10**9, tz=ZoneInfo("UTC")).isoformat()
    assert len(json.loads(run("turns", "--at", around, "--json"))["turns"]) == 2
    assert json.loads(run("turns", "--at", "2020-01-01T00:00:00Z", "--json"))["turns"] == []
    assert run("turns", "--at", "2020-01-01T00:00:00Z") == "no turns\n"


def test_turns_tells_when_all_of_them_began_as_a_recording_is_read(run, store, monkeypatch, tmp_path):
    """Oldest first, also those beyond what the store lists at once and of weeks before; one device's alone where it is asked for."""
    monkeypatch.setattr("earshot_cli.traces._PAGE", 2)
    days = (0.0, 0.5, 3.0, 9.0, 20.0, 20.0005)
    turns = [
        TurnFact(
            turn_id=f"t{number}",
            household_id="home",
            device_id=f"d{number % 2}",
            started_ns=START + int(day * 86_400) * 10**9,
        )
        for number, day in enumerate(days)
    ]
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(store.add(Batch(facts=turns)))
    recording = tmp_path / "begun.txt"
    recording.write_text(run("turns", "--begun"))
    assert load.recorded(recording) == pytest.approx([int(day * 86_400) for day in days])
    assert len(run("turns", "--begun", "--device", "d1").split()) == 3


@pytest.mark.usefixtures("known_turns")
def test_trace_draws_a_waterfall(run):
    """Children are indented below their parents, and an error is shown where it happened."""
    lines = run("trace", "answered").splitlines()
    rows = [line for line in lines if "asr" in line]
    assert [row.index(name) for row, name in zip(rows, ("voice.turn", "span-2", "span-3"), strict=True)] == [0, 2, 4]
    assert "timeout" in rows[1]
    assert all("█" in row or "▏" in row for row in rows)


@pytest.mark.usefixtures("known_turns")
def test_trace_prints_one_json_document(run):
    """The turn and its spans."""
    document = json.loads(run("trace", "turn-answered", "--json"))
    assert document["turn"]["intent"] == "clock.get_time"
    assert [span["name"] for span in document["spans"]] == ["voice.turn", "span-2", "span-3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:32", "2026-11-22T10:32:00+08:00"),
        ("23:59:30", "2026-11-21T23:59:30+08:00"),
        ("2026-11-20T08:00:00", "2026-11-20T08:00:00+08:00"),
        ("2026-11-20T08:00:00+00:00", "2026-11-20T08:00:00+00:00"),
    ],
)
def test_times_are_read_as_people_write_them(text, expected):
    """A time of day is the latest one that has been; a time without a zone is local."""
    now = datetime(2026, 11, 22, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert moment(text, now).isoformat() == expected


def test_a_time_that_can_not_be_read_is_named():
    """The message shows what would be understood."""
    with pytest.raises(BadArgumentError, match="yesterday"):
        moment("yesterday", datetime.now(tz=ZoneInfo("UTC")))
