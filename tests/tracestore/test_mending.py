"""A trace is one tree, whatever died before it could send its part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from earshot_topology import attributes
from earshot_tracestore.marks import MarkKind, marks, notable
from earshot_tracestore.mending import whole
from earshot_tracestore.model import Span, Turn, TurnFact

SECOND = 1_000_000_000
LATER = 100 * SECOND


def span(span_id: str, parent: str = "", start_s: float = 10, end_s: float = 11, **fields: Any) -> Span:
    """Return a span."""
    values: dict[str, Any] = {
        "trace_id": "t",
        "span_id": span_id,
        "parent_span_id": parent,
        "name": span_id,
        "kind": "internal",
        "service": "earshot-nlu",
        "instance": "nlu-0",
        "start_ns": int(start_s * SECOND),
        "end_ns": int(end_s * SECOND),
        "status": "unset",
        "status_message": "",
        "attributes": {},
        "events": [],
        "links": [],
    }
    return Span(**(values | fields))


def of_attempt(*attempts: str) -> dict[str, str]:
    """Return the attribute of a span that belongs to an attempt, and what that was caused by."""
    return {attributes.ATTEMPT: "-".join(attempts)}


def turn(**fields: Any) -> Turn:
    """Return what the ledger knows."""
    return Turn(fact=TurnFact(turn_id="turn", household_id="h", device_id="d", trace_id="t", **fields), heard_ns=SECOND)


def parents(spans: list[Span]) -> dict[str, str]:
    """Return each span's parent."""
    return {one.span_id: one.parent_span_id for one in spans}


def test_a_whole_trace_stays_as_it_is():
    """Spans come back in the order of their starts, and nothing is added."""
    root, child = span("root", start_s=1, end_s=20), span("child", "root")
    assert whole([child, root], turn(), LATER, 10) == [root, child]


def test_a_span_of_a_dead_parent_hangs_on_its_attempt():
    """The attempt was drawn by its successor; what lay deeper names it in its trace state."""
    root, attempt = span("root", start_s=1), span("attempt", "root")
    deep = span("deep", "never sent", attributes=of_attempt("attempt"))
    assert parents(whole([root, attempt, deep], None, 0, 10))["deep"] == "attempt"


def test_a_span_of_nobody_hangs_on_the_root():
    """Its attempt has not been sent either, so far."""
    found = whole([span("root", start_s=1), span("deep", "lost", attributes=of_attempt("gone"))], None, 0, 10)
    assert parents(found)["deep"] == "root"


def test_the_sender_of_a_message_is_drawn_when_it_is_missing():
    """It ended, or the message would not be there; but its process died before it had sent the span."""
    heard = span(
        "nlu",
        "asr",
        kind="consumer",
        attributes=of_attempt("nlu", "asr") | {attributes.MESSAGING_DESTINATION: "turn.transcribed"},
    )
    silence = span("silence", "recognize", service="earshot-asr", instance="asr-1", attributes=of_attempt("asr"))
    found = whole([span("root", start_s=1), heard, silence], None, LATER, 10)
    drawn = next(one for one in found if one.span_id == "asr")
    assert (drawn.service, drawn.name, drawn.parent_span_id) == ("earshot-asr", "utterance.started process", "root")
    assert drawn.instance == "asr-1"
    assert parents(found) == {"root": "", "asr": "root", "nlu": "asr", "silence": "asr"}
    assert [mark.kind for mark in marks(found)] == [MarkKind.UNSENT]


def test_what_may_still_come_is_not_drawn():
    """Exporters wait: a trace that grew a moment ago is as it is, though nothing in it is without a parent."""
    heard = span(
        "nlu",
        "asr",
        kind="consumer",
        attributes=of_attempt("nlu", "asr") | {attributes.MESSAGING_DESTINATION: "turn.transcribed"},
    )
    found = whole([span("root", start_s=1), heard], None, 12 * SECOND, 10)
    assert parents(found) == {"root": "", "nlu": "root"}
    assert "root" not in parents(whole([heard], turn(), 12 * SECOND, 10))


def test_a_device_that_died_leaves_a_root_all_the_same():
    """Drawn under the id that its messages carried, from what the ledger heard of the turn."""
    first = span("asr", "device", kind="consumer", attributes=of_attempt("asr"))
    inner = span("decode", "never sent", attributes=of_attempt("asr"))
    known = turn(started_ns=9 * SECOND, outcome="answered", decided_ns=12 * SECOND, first_audio_ns=13 * SECOND)
    root, *rest = whole([first, inner], known, LATER, 10)
    assert (root.span_id, root.name, root.parent_span_id) == ("device", "voice.turn", "")
    assert (root.start_ns, root.end_ns) == (9 * SECOND, 13 * SECOND)
    assert root.attributes[attributes.TURN_KIND] == "answered"
    assert [event["name"] for event in root.events] == ["utterance.started", "outcome.decided", "playback.started"]
    assert parents(rest) == {"asr": "device", "decode": "asr"}
    assert set(root.attributes) <= attributes.DECLARED
    assert [mark.kind for mark in marks([root, *rest])] == [MarkKind.ROOT]


def test_a_turn_without_any_span_has_a_root():
    """Nothing but the ledger knows of it."""
    known = turn(started_ns=9 * SECOND, abandoned="cloud_timeout", finished_ns=19 * SECOND)
    (root,) = whole([], known, LATER, 10)
    assert (root.status, root.status_message) == ("error", "cloud_timeout")
    assert [mark.kind for mark in marks([root])] == [MarkKind.ROOT, MarkKind.ABANDONED]


@pytest.mark.parametrize("told", ["", "-", "x" * 500, 7, None])
def test_strange_trace_state_breaks_nothing(told: object):
    """Anybody may export spans."""
    strange = span("strange", "lost", kind="consumer", attributes={attributes.ATTEMPT: told})
    assert len(whole([strange], turn(), LATER, 10)) == 2


def test_each_fault_has_a_mark():
    """Lost, fenced, taken over, delivered again, parked, handed over, a deadline that fired."""
    drawn = {attributes.RECONSTRUCTED: True, attributes.SILENT_SECONDS: 1.44}
    found = marks(
        [
            span("lost", "root", status="error", instance="", attributes=drawn),
            span(
                "drained",
                "root",
                instance="",
                attributes={attributes.RECONSTRUCTED: True, attributes.ATTEMPT_END: "attempt_unknown"},
            ),
            span("zombie", "root", status="error", attributes={attributes.ERROR_CODE: "lease_lost"}),
            span(
                "next",
                "root",
                attributes={attributes.TAKEOVER: True, attributes.MESSAGING_DELIVERY_COUNT: "3"},
            ),
            span("again", "root", attributes={attributes.MESSAGING_DELIVERY_COUNT: "2"}),
            span("bad", "root", events=[{"name": "message.parked", "attributes": {"error.type": "invalid_id"}}]),
            span("leaving", "root", events=[{"name": "message.handed_over"}]),
            span(
                "due",
                "root",
                attributes={
                    attributes.DEADLINE_RESULT: "claimed",
                    attributes.DEADLINE_FOR: "answer",
                    attributes.TURN_KIND: "apologised",
                },
            ),
        ]
    )
    assert [(mark.span_id, mark.kind, mark.text) for mark in found] == [
        ("lost", MarkKind.LOST, "✗ killed, frozen or cut off; silent, taken over after 1.4 s"),
        ("drained", MarkKind.UNKNOWN, "? ended, handed over or lost: whoever went on was not there yet"),
        ("zombie", MarkKind.FENCED, "✗ lease lost: frozen, and another's work by now; it said nothing more"),
        ("next", MarkKind.TAKEOVER, "↻ delivery 3: took over"),
        ("again", MarkKind.REDELIVERY, "↻ delivery 2"),
        ("bad", MarkKind.PARKED, "✗ parked: invalid_id"),
        ("leaving", MarkKind.HANDED_OVER, "↷ handed over: its process was leaving"),
        ("due", MarkKind.DEADLINE, "⏰ deadline for answer fired: claimed, apologised"),
    ]


def test_an_ordinary_turn_has_no_marks():
    """A deadline is armed in every turn: that is told only where something else happened."""
    armed = {"name": "deadline.armed", "attributes": {attributes.DEADLINE_FOR: "answer", attributes.DEADLINE_IN: 8.0}}
    ordinary = span("ordinary", "root", events=[armed])
    assert marks([ordinary]) == []
    late = replace(ordinary, attributes={attributes.MESSAGING_DELIVERY_COUNT: "2"})
    found = marks([late])
    assert [mark.text for mark in found] == ["↻ delivery 2", "deadline for answer armed in 8.0 s"]
    assert [mark.kind for mark in notable(found)] == [MarkKind.REDELIVERY]
