"""What a later contract has added is carried on by services that do not know it, wherever a message is stored or passed on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.message import Message

from builds.contracts import ADDED_NUMBER
from builds.marking import within
from builds.unknown import all_added
from earshot.asr.v1 import events_pb2
from earshot.device.v1 import directive_pb2
from earshot.dialogue.v1 import outcome_pb2, session_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot.schedule.v1 import record_pb2, schedule_pb2
from earshot.skill.v1 import skill_pb2
from earshot_chassis.codec import added
from earshot_dialogue import wire as dialogue
from earshot_dialogue.core.outcome import Kind, Segment
from earshot_dialogue.core.session import TurnEffect, advance
from earshot_dialogue.core.values import OutcomeId, TurnId
from earshot_dialogue.errors import SkillError
from earshot_dialogue.skills import wire as skills
from earshot_nlu import wire as nlu
from earshot_nlu.understanding.model import Interpretation
from earshot_scheduler import wire as scheduler
from earshot_scheduler.core.changes import Limits, create, move
from earshot_scheduler.errors import InvalidRequestError
from support.contracts import saturated

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
_ADDED = (
    bytes([ADDED_NUMBER << 3 & 0x7F | 2 | 0x80, ADDED_NUMBER >> 4 & 0x7F | 0x80, ADDED_NUMBER >> 11, 5, 10, 3]) + b"new"
)


def newer(message: Message) -> Message:
    """Return a message to which, and to those within it, a later contract has added something."""
    for _, each in within(message):
        newer(each)
    message.MergeFromString(_ADDED)
    return message


def where(message: Message) -> set[str]:
    """Return where something was added."""
    return {place for place, _ in all_added(message)}


def test_a_known_field_is_no_addition() -> None:
    """Of a message that nobody added to there is nothing to carry; of one with additions only these."""
    slot = interpreter_pb2.Slot(name="city", text="Paris", value=interpreter_pb2.SlotValue(string_value="Paris"))
    assert added(slot) == b""
    newer(slot)
    carried = interpreter_pb2.Slot.FromString(added(slot))
    assert where(carried) == {"Slot", "Slot.value"}
    assert (carried.name, carried.text, carried.value.WhichOneof("value")) == ("", "", None)


def test_a_session_is_carried_through_a_turn() -> None:
    """A dialogue's replica of today keeps what a newer one has added to the session, and to the meaning that it keeps."""
    kept = newer(saturated(session_pb2.Session))
    before = dialogue.to_session(kept.SerializeToString())
    assert where(dialogue.from_session(before)) >= where(kept) - {"Session.pending_question"}
    after = advance(
        before,
        TurnId("another"),
        locale="en-US",
        outcome_id=OutcomeId("o"),
        effect=TurnEffect(),
        now=NOW,
        idle=timedelta(minutes=1),
    )
    written = dialogue.from_session(after)
    assert where(written) >= {"Session", "Session.last_hypothesis", "Session.last_hypothesis.slots"}
    # The question was answered: what was added to it is over too.
    assert not written.HasField("pending_question")


def test_a_meaning_reaches_the_skill_and_the_outcome() -> None:
    """What understanding adds to a hypothesis and its slots passes through the dialogue."""
    meaning = newer(saturated(interpreter_pb2.Hypothesis))
    places = {place.removeprefix("Hypothesis") for place in where(meaning)}
    assert places == {"", ".slots", ".slots.value", ".slots.value.date_time_value"}
    read = dialogue.to_hypothesis(meaning)
    assert dialogue.from_hypothesis(read) == meaning
    outcome = dialogue.from_segment(Segment(kind=Kind.ANSWERED, hypothesis=read), TurnId("t"), 0)
    assert {f"Outcome.hypothesis{place}" for place in places} <= where(outcome)
    filled = read.filled(dialogue.to_slot(interpreter_pb2.Slot(name="other", text="words")))
    assert {f"Hypothesis{place}" for place in places} == where(dialogue.from_hypothesis(filled))


def test_a_kind_of_value_that_was_added_is_what_its_readers_see() -> None:
    """A dialogue that does not know a slot's kind of value adds the words; who knows the kind reads the value."""
    unknown = interpreter_pb2.SlotValue.FromString(_ADDED)
    written = dialogue.from_slot(dialogue.to_slot(interpreter_pb2.Slot(name="hue", text="sea green", value=unknown)))
    payload = written.value.SerializeToString()
    assert written.value.string_value == "sea green"
    # Of a oneof the last one counts.
    assert payload.endswith(_ADDED)


def test_an_answer_reaches_the_device() -> None:
    """What a skill adds to words and directives passes through the dialogue; a command that it does not know does too."""
    prompt = newer(outcome_pb2.Prompt(text="Hello.", locale="en-US"))
    pause = newer(directive_pb2.Directive(pause=directive_pb2.Pause()))
    command = directive_pb2.Directive.FromString(_ADDED)
    answer = skill_pb2.Answer(prompts=[prompt], directives=[pause, command], final=True)
    event = skills.to_event(skill_pb2.HandleResponse(answer=answer), "en-US")
    assert isinstance(event, skills.SkillAnswer)
    segment = Segment(kind=Kind.ANSWERED, prompts=event.prompts, directives=event.directives)
    outcome = dialogue.from_segment(segment, TurnId("t"), 0)
    assert where(outcome) == {"Outcome.prompts", "Outcome.directives", "Outcome.directives.pause"}
    assert [added(directive) != b"" for directive in outcome.directives] == [True, True]


def test_an_answer_is_bounded_with_what_was_added() -> None:
    """What was added to words counts as words: an outcome has to fit into a message."""
    prompt = outcome_pb2.Prompt(text="Hello.", locale="en-US")
    prompt.MergeFromString(_ADDED[:3] + b"\xa0\x9c\x01" + b"x" * 20_000)
    answer = skill_pb2.Answer(prompts=[prompt], final=True)
    with pytest.raises(SkillError) as refused:
        skills.to_event(skill_pb2.HandleResponse(answer=answer), "en-US")
    assert refused.value.code == "malformed_skill_response"


def test_understanding_passes_the_turn_on() -> None:
    """What was added to a turn's context is in what was understood, and in what could not be."""
    heard = newer(saturated(events_pb2.TurnTranscribed))
    places = {place.replace("TurnTranscribed", "TurnInterpreted") for place in where(heard) if ".turn" in place}
    assert len(places) > 1
    meant = Interpretation(hypotheses=(), transcript="", registry_revision=1)
    for event in (nlu.interpreted(heard, meant), nlu.rejected(heard, 1), nlu.refused(heard, "empty_text", 1)):
        assert where(event) == places


def test_a_schedule_is_kept_as_it_was_set() -> None:
    """A scheduler of today keeps what a newer client or replica has added, through changes, and tells it to clients."""
    request = schedule_pb2.CreateScheduleRequest(
        schedule=schedule_pb2.Schedule(
            household_id="home", device_id="kitchen", kind=schedule_pb2.SCHEDULE_KIND_TIMER, label="eggs"
        ),
        request_id="one",
    )
    request.schedule.remaining.FromTimedelta(timedelta(minutes=5))
    newer(request.schedule)
    timer = create(scheduler.to_new(request), NOW, Limits())
    assert where(scheduler.from_schedule(timer)) == {"Schedule"}
    done = scheduler.Applied(key="create:one", answer=scheduler.from_schedule(timer))
    kept = record_pb2.ScheduleRecord.FromString(scheduler.from_record(scheduler.Record().after(timer, "", done)))
    newer(kept)
    read = scheduler.to_record(kept.SerializeToString())
    assert read.schedule is not None
    moved = move(read.schedule, NOW + timedelta(hours=1), NOW, Limits()).schedule
    written = record_pb2.ScheduleRecord.FromString(scheduler.from_record(read.after(moved)))
    assert where(written) >= {"ScheduleRecord", "ScheduleRecord.schedule", "ScheduleRecord.requests.schedule"}


def test_what_is_added_to_a_schedule_is_bounded() -> None:
    """A record holds a schedule and its answers, and has to fit into a message."""
    request = schedule_pb2.CreateScheduleRequest(request_id="one")
    request.schedule.household_id, request.schedule.device_id = "home", "kitchen"
    request.schedule.kind = schedule_pb2.SCHEDULE_KIND_TIMER
    request.schedule.MergeFromString(_ADDED[:3] + b"\xa0\x9c\x01" + b"x" * 20_000)
    with pytest.raises(InvalidRequestError) as refused:
        scheduler.to_new(request)
    assert refused.value.code == "schedule_too_large"
