"""Maps the contracts to domain values and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from earshot.asr.v1 import events_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot.skill.v1 import skill_pb2
from earshot_nlu.understanding.errors import InvalidReferenceTimeError
from earshot_nlu.understanding.model import (
    Alternative,
    DateTimeSpan,
    Hypothesis,
    Interpretation,
    SkillId,
    SkillWords,
    Slot,
    SlotKind,
    SlotValue,
    Utterance,
)
from earshot_registry import RegistrySnapshot

_KINDS = {
    skill_pb2.SLOT_TYPE_UNSPECIFIED: SlotKind.TEXT,
    skill_pb2.SLOT_TYPE_TEXT: SlotKind.TEXT,
    skill_pb2.SLOT_TYPE_NUMBER: SlotKind.NUMBER,
    skill_pb2.SLOT_TYPE_DURATION: SlotKind.DURATION,
    skill_pb2.SLOT_TYPE_DATE_TIME: SlotKind.DATE_TIME,
}


def utterance_of_turn(message: events_pb2.TurnTranscribed, now: datetime) -> Utterance:
    """Return a turn's words; the reference time is the end of speech, or else its start, or else now.

    Raises:
        InvalidReferenceTimeError: That time is outside the calendar.
    """
    turn = message.turn
    said_at = now
    if turn.HasField("end_of_speech_time"):
        said_at = _datetime(turn.end_of_speech_time)
    elif turn.HasField("start_time"):
        said_at = _datetime(turn.start_time)
    return Utterance(
        alternatives=_alternatives(message.alternatives),
        locale=turn.locale,
        time_zone=turn.time_zone,
        reference_time=said_at,
    )


def utterance_of_request(request: interpreter_pb2.InterpretRequest, now: datetime) -> Utterance:
    """Return a request's words.

    Raises:
        InvalidReferenceTimeError: Its reference time is outside the calendar.
    """
    return Utterance(
        alternatives=_alternatives(request.alternatives),
        locale=request.locale,
        time_zone=request.time_zone,
        reference_time=_datetime(request.reference_time) if request.HasField("reference_time") else now,
    )


def interpreted(message: events_pb2.TurnTranscribed, interpretation: Interpretation) -> interpreter_pb2.TurnInterpreted:
    """Return the event of a turn that was understood as far as it goes."""
    return interpreter_pb2.TurnInterpreted(
        turn=message.turn,
        hypotheses=[_hypothesis(one) for one in interpretation.hypotheses],
        transcript=interpretation.transcript,
        registry_revision=interpretation.registry_revision,
    )


def rejected(message: events_pb2.TurnTranscribed, revision: int) -> interpreter_pb2.TurnInterpreted:
    """Return the event of a turn that the recogniser rejected."""
    return interpreter_pb2.TurnInterpreted(
        turn=message.turn, rejection=message.rejection, error_code=message.error_code, registry_revision=revision
    )


def refused(message: events_pb2.TurnTranscribed, code: str, revision: int) -> interpreter_pb2.TurnInterpreted:
    """Return the event of a turn whose input was wrong."""
    return interpreter_pb2.TurnInterpreted(turn=message.turn, error_code=code, registry_revision=revision)


def response(interpretation: Interpretation) -> interpreter_pb2.InterpretResponse:
    """Return the answer to a request."""
    return interpreter_pb2.InterpretResponse(
        hypotheses=[_hypothesis(one) for one in interpretation.hypotheses],
        registry_revision=interpretation.registry_revision,
    )


def skill_words(snapshot: RegistrySnapshot) -> list[SkillWords]:
    """Return the words of every live skill version in every locale."""
    words: list[SkillWords] = []
    for skill in snapshot.skills:
        description = skill.description
        kinds = {
            intent.name: {slot.name: _KINDS.get(slot.type, SlotKind.TEXT) for slot in intent.slots}
            for intent in description.intents
        }
        words.extend(
            SkillWords(
                skill_id=SkillId(description.skill_id),
                version=description.version,
                locale=resources.locale,
                sentences_yaml=resources.sentences_yaml,
                slot_kinds=kinds,
            )
            for resources in description.locales
        )
    return words


def _alternatives(messages: Iterable[events_pb2.Alternative]) -> tuple[Alternative, ...]:
    return tuple(Alternative(transcript=one.transcript, confidence=one.confidence) for one in messages)


def _hypothesis(hypothesis: Hypothesis) -> interpreter_pb2.Hypothesis:
    return interpreter_pb2.Hypothesis(
        intent=hypothesis.intent,
        confidence=hypothesis.confidence,
        slots=[_slot(slot) for slot in hypothesis.slots],
        recognizer=hypothesis.recognizer.value,
        alternative_index=hypothesis.alternative_index,
        skill_version=hypothesis.skill_version,
    )


def _slot(slot: Slot) -> interpreter_pb2.Slot:
    return interpreter_pb2.Slot(name=slot.name, text=slot.text, value=_value(slot.value))


def _value(value: SlotValue) -> interpreter_pb2.SlotValue:
    message = interpreter_pb2.SlotValue()
    match value:
        case str():
            message.string_value = value
        case DateTimeSpan():
            message.date_time_value.start = value.start.isoformat()
            message.date_time_value.end = value.end.isoformat()
            message.date_time_value.grain = value.grain.value
        case timedelta():
            message.duration_value.FromTimedelta(value)
        case _:
            message.number_value = value
    return message


def _datetime(timestamp: Timestamp) -> datetime:
    try:
        return timestamp.ToDatetime(tzinfo=UTC)
    except (OverflowError, ValueError) as error:
        raise InvalidReferenceTimeError("the reference time is outside the calendar") from error
