"""Whom a user waited for: every moment from the end of speech to first audio is one stage's."""

from __future__ import annotations

import pytest

from earshot_topology import attributes
from earshot_tracestore.model import Span, Turn, TurnFact
from earshot_tracestore.waits import Stage, waits

MS = 1_000_000


def span(name: str, start_ms: int, end_ms: int, **changed: object) -> Span:
    """Return a span of milliseconds."""
    known = {
        "trace_id": "t",
        "span_id": name,
        "parent_span_id": "root",
        "name": name,
        "kind": "internal",
        "service": "",
        "instance": "",
        "start_ns": start_ms * MS,
        "end_ns": end_ms * MS,
        "status": "unset",
        "status_message": "",
        "attributes": {},
        "events": [],
        "links": [],
    }
    return Span(**(known | changed))


def turn(heard_ms: int | None, first_audio_s: float | None) -> Turn:
    """Return a turn whose device began to play at a time."""
    heard_ns = None if heard_ms is None else heard_ms * MS
    fact = TurnFact(turn_id="t", household_id="h", device_id="d", first_audio_ns=heard_ns, first_audio_s=first_audio_s)
    return Turn(fact=fact, heard_ns=1)


def told(turn: Turn, *spans: Span) -> dict[str, float]:
    """Return stages and milliseconds, in their order."""
    return {wait.stage.value: round(wait.seconds * 1000) for wait in waits(turn, spans)}


# Speech ends at 2,000 ms; the device begins to play at 4,000.
ORDINARY = (
    span("voice.turn", 0, 12_000, parent_span_id=""),
    span("utterance.started process", 10, 3_000),
    span("asr.recognize", 20, 2_990),
    span("asr.listen", 20, 2_000),
    span("asr.silence", 2_000, 2_800),
    span("asr.decode", 2_800, 2_950),
    span("turn.transcribed process", 3_050, 3_100),
    span("turn.interpreted process", 3_100, 3_600),
    span("earshot.skill.v1.Skill/Handle", 3_110, 3_590, kind="client"),
    span("earshot.skill.v1.Skill/Handle", 3_120, 3_580, kind="server"),
    span("turn.outcome process", 3_650, 9_000),
    span("tts.speak", 3_650, 9_000, events=[{"name": "tts.first_frame", "time_ns": 3_900 * MS, "attributes": {}}]),
    span("tts.synthesize", 3_660, 3_900),
    span("tts.pace", 3_900, 9_000),
    span("device.playback", 3_920, 11_900),
)


def test_every_moment_belongs_to_one_stage():
    """Speech before and playback after are nobody's wait; gaps are queues; in all it is what the user waited."""
    found = told(turn(4_000, 2.0), *ORDINARY)
    assert found == {
        "silence": 800,
        "recognition": 200,
        "queues": 50 + 50 + 10,
        "dialogue": 20,
        "skill": 480,
        "understanding": 50,
        "synthesis": 240,
        "device": 100,
    }
    assert sum(found.values()) == 2_000
    assert list(found) == [stage.value for stage in Stage if stage is not Stage.LOST]


def test_pacing_is_never_synthesis():
    """However long sound is paced, what was waited for it is what it took to the first frame."""
    long = [span("tts.pace", 3_900, 60_000) if each.name == "tts.pace" else each for each in ORDINARY]
    assert told(turn(4_000, 2.0), *long) == told(turn(4_000, 2.0), *ORDINARY)


def test_a_skill_that_streams_on_is_not_waited_for_while_its_first_words_are_made():
    """Its call lasts until its last word; behind its first one, synthesis and the device are waited for."""
    streaming = [
        span("earshot.skill.v1.Skill/Handle", 3_110, 8_000) if each.name.endswith("Handle") else each
        for each in ORDINARY
    ]
    found = told(turn(4_000, 2.0), *streaming)
    assert (found["synthesis"], found["device"]) == (240, 100)
    assert found["skill"] == 3_660 - 3_110


def test_a_lost_attempt_is_told():
    """From when somebody was gone to when another took over: neither recognition nor a queue."""
    lost = span("utterance.started process", 1_000, 3_500, status="error", attributes={attributes.RECONSTRUCTED: True})
    found = told(turn(4_000, 2.0), lost, span("asr.recognize", 3_500, 3_900))
    assert found == {"lost attempts": 1_500, "recognition": 400, "queues": 100}


@pytest.mark.parametrize(("heard_ms", "first_audio_s"), [(None, 2.0), (4_000, None)])
def test_where_nothing_was_heard_nothing_was_waited_for(heard_ms, first_audio_s):
    """Typed turns, and those of devices that told neither, have no waits; nor has a turn without spans."""
    assert waits(turn(heard_ms, first_audio_s), ORDINARY) == []
    assert waits(turn(4_000, 2.0), []) == []
