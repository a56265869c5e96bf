"""A turn whose owner died or froze says so: the attempt, its takeover, and everything in its place."""

from __future__ import annotations

from typing import Any

import pytest

from earshot_cli import waterfall
from earshot_local.stack import Stack
from earshot_topology import attributes
from traces.ambushes import AMBUSHES, Traced

# The first of them starts the stack and lets every owner die.
pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(150)]

Ambushed = tuple[Stack, dict[str, Traced]]
SKILL_CALL = "earshot.skill.v1.Skill/Handle"
STAGES = {
    "asr killed": ("earshot-asr", "utterance.started process"),
    "nlu killed": ("earshot-nlu", "turn.transcribed process"),
    "nlu killed before its ack": ("earshot-nlu", "turn.transcribed process"),
    "dialogue killed": ("earshot-dialogue", "turn.interpreted process"),
    "tts killed": ("earshot-tts", "turn.outcome process"),
}
ACK_WAIT_S = 1.5


def attempts(traced: Traced, service: str, name: str) -> list[dict[str, Any]]:
    """Return a stage's attempts, by start."""
    return [span for span in traced.spans if (span["service"], span["name"]) == (service, name)]


@pytest.mark.parametrize("name", AMBUSHES)
async def test_every_span_has_a_parent(ambushed: Ambushed, name: str) -> None:
    """The turn was answered all the same, and its trace is one tree below the device's own root; few spans."""
    traced = ambushed[1][name]
    assert traced.victim
    assert traced.turn["state"] == "answered"
    ids = {span["span_id"] for span in traced.spans}
    assert [span["name"] for span in traced.spans if span["parent_span_id"] not in ids] == ["voice.turn"]
    assert len(traced.spans) <= 25


@pytest.mark.parametrize("name", STAGES)
async def test_a_killed_attempt_is_a_span_of_its_stage(ambushed: Ambushed, name: str) -> None:
    """From when its message was stored to its takeover, an error, marked as drawn; the next one says what it is."""
    traced = ambushed[1][name]
    lost, after, *_ = attempts(traced, *STAGES[name])
    assert lost["attributes"][attributes.RECONSTRUCTED] is True
    assert (lost["status"], lost["status_message"]) == ("error", "attempt_lost")
    assert lost["instance"] in ("", traced.victim)
    assert lost["attributes"][attributes.MESSAGING_DELIVERY_COUNT] == "1"
    assert lost["end_ns"] > lost["start_ns"]
    assert 0 < lost["attributes"][attributes.SILENT_SECONDS] <= ACK_WAIT_S
    assert abs(after["start_ns"] - lost["end_ns"]) < 1e9
    assert after["attributes"][attributes.TAKEOVER] is True
    assert after["instance"]
    assert after["instance"] != traced.victim
    assert lost["span_id"] in {link["span_id"] for link in after["links"]}
    assert after["parent_span_id"] == lost["parent_span_id"]
    assert {"attempt_lost", "takeover"} <= set(traced.kinds(lost["name"]))
    parent = next(span for span in traced.spans if span["span_id"] == lost["parent_span_id"])
    assert lost["start_ns"] >= parent["start_ns"]


async def test_what_a_dead_process_had_caused_hangs_on_its_attempt(ambushed: Ambushed) -> None:
    """NLU died when its event was out: dialogue's span lies below the attempt that is drawn, not below the next one."""
    traced = ambushed[1]["nlu killed before its ack"]
    lost, *_ = attempts(traced, "earshot-nlu", "turn.transcribed process")
    (decided,) = traced.named("turn.interpreted process")
    assert decided["parent_span_id"] == lost["span_id"]


async def test_a_call_that_a_dead_dialogue_made_hangs_on_its_attempt(ambushed: Ambushed) -> None:
    """The skill's span arrived, its caller's never did: the caller is drawn in between."""
    traced = ambushed[1]["dialogue killed"]
    lost, *_ = attempts(traced, "earshot-dialogue", "turn.interpreted process")
    served = next(span for span in traced.named(SKILL_CALL) if span["service"] == "earshot-skill-echo")
    called = next(span for span in traced.spans if span["span_id"] == served["parent_span_id"])
    assert (called["kind"], called["service"], called["parent_span_id"]) == (
        "client",
        "earshot-dialogue",
        lost["span_id"],
    )
    assert "unsent" in traced.kinds(SKILL_CALL)


@pytest.mark.parametrize("name", ["skill killed", "skill frozen"])
async def test_a_skill_that_died_in_a_call_is_shown(ambushed: Ambushed, name: str) -> None:
    """Its span lies below the call that failed; the next call says that it is another attempt."""
    traced = ambushed[1][name]
    calls = [span for span in traced.named(SKILL_CALL) if span["kind"] == "client"]
    failed, answered = calls[0], calls[-1]
    assert failed["attributes"][attributes.ERROR_CODE] == "rpc_unavailable"
    below = {span["parent_span_id"]: span for span in traced.spans if span["kind"] == "server"}
    served = below[failed["span_id"]]
    assert served["service"] == "earshot-skill-echo"
    assert served["status"] == "error"
    if name == "skill killed":
        assert served["attributes"][attributes.RECONSTRUCTED] is True
        assert served["status_message"] == "attempt_lost"
        assert traced.kinds(SKILL_CALL) == ["attempt_lost", "redelivery"]
    assert below[answered["span_id"]]["attributes"][attributes.SKILL_ATTEMPT] > 1


async def test_a_process_that_wakes_is_shown_as_fenced(ambushed: Ambushed) -> None:
    """Its late span takes the place of what was drawn of it, and says that the lease was lost: nobody's own work."""
    traced = ambushed[1]["asr frozen"]
    woken, after, *_ = attempts(traced, "earshot-asr", "utterance.started process")
    assert (woken["instance"], woken["status_message"]) == (traced.victim, "lease_lost")
    assert attributes.RECONSTRUCTED not in woken["attributes"]
    assert woken["end_ns"] > after["end_ns"]
    assert after["attributes"][attributes.TAKEOVER] is True
    assert after["status"] != "error"
    assert "lease_lost" in traced.kinds(woken["name"])
    (understood,) = traced.named("turn.transcribed process")
    assert understood["parent_span_id"] == after["span_id"]


async def test_marks_stand_below_their_spans(ambushed: Ambushed) -> None:
    """The waterfall tells in words what happened, right where it did."""
    traced = ambushed[1]["tts killed"]
    told = {row.marks for row in waterfall.rows(traced.spans, traced.marks) if row.name == "turn.outcome process"}
    text = "\n".join(line for marks in told for line in marks)
    assert "✗ killed, frozen or cut off" in text
    assert "taken over after" in text
    assert "↻ delivery 2: took over" in text
