"""All mapping between protobuf and the dialogue's own values; what concerns skills is mapped in `skills.wire` and `skills.registered`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from google.protobuf import struct_pb2, timestamp_pb2

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import error_pb2, turn_pb2
from earshot.device.v1 import directive_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2, session_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot_chassis.codec import added
from earshot_dialogue.core.outcome import Kind, Segment
from earshot_dialogue.core.session import PendingQuestion, Session
from earshot_dialogue.core.values import (
    CalendarValue,
    DeviceShadow,
    Directive,
    Fault,
    Heard,
    Hypothesis,
    ListenDirective,
    OutcomeId,
    Prompt,
    Rejection,
    SessionId,
    SkillContext,
    SkillDirective,
    SkillId,
    Slot,
    SlotValue,
    SpeakDirective,
    StopMediaDirective,
    StopRingDirective,
    StopSpeechDirective,
    Turn,
    TurnId,
)
from earshot_dialogue.errors import InvalidTurnError
from earshot_topology.subjects import DeviceAddress, InvalidTokenError, token

NO_TIME = timedelta()
_EVERYTHING_FOR = timedelta(minutes=1)

_REJECTIONS = {
    events_pb2.REJECTION_UNSPECIFIED: Rejection.NONE,
    events_pb2.REJECTION_NO_SPEECH: Rejection.NO_SPEECH,
    events_pb2.REJECTION_NOT_FOR_US: Rejection.NOT_FOR_US,
    events_pb2.REJECTION_BAD_AUDIO: Rejection.BAD_AUDIO,
}
KINDS = {
    Kind.ANSWERED: outcome_pb2.OUTCOME_KIND_ANSWERED,
    Kind.APOLOGISED: outcome_pb2.OUTCOME_KIND_APOLOGISED,
    Kind.CANCELLED: outcome_pb2.OUTCOME_KIND_CANCELLED,
    Kind.REJECTED: outcome_pb2.OUTCOME_KIND_REJECTED,
}


def to_timestamp(moment: datetime) -> timestamp_pb2.Timestamp:
    """Return an aware moment as a Timestamp."""
    return timestamp_pb2.Timestamp(seconds=int(moment.timestamp() // 1), nanos=moment.microsecond * 1000)


def to_moment(stamp: timestamp_pb2.Timestamp) -> datetime:
    """Return a Timestamp as an aware moment, to the microsecond."""
    return datetime.fromtimestamp(stamp.seconds, UTC).replace(microsecond=stamp.nanos // 1000)


def to_turn(context: turn_pb2.TurnContext, *, default_deadline: datetime) -> Turn:
    """Read a turn.

    Raises:
        InvalidTurnError: An id can't be one, or the modality is not set.
    """
    try:
        turn_id = TurnId(token(context.turn_id))
        household, device = token(context.household_id), token(context.device_id)
    except InvalidTokenError as error:
        raise InvalidTurnError(str(error), code="invalid_id") from error
    if context.modality not in {turn_pb2.MODALITY_VOICE, turn_pb2.MODALITY_TEXT}:
        raise InvalidTurnError("the modality is not set", code="invalid_modality")
    given = context.HasField("deadline_time")
    return Turn(
        turn_id=turn_id,
        household=household,
        device=device,
        locale=context.locale,
        spoken=context.modality == turn_pb2.MODALITY_VOICE,
        deadline=to_moment(context.deadline_time) if given else default_deadline,
        follows=SessionId(context.session_id) if context.session_id else None,
    )


def address_of(turn: Turn) -> DeviceAddress:
    """Return the device's address."""
    return DeviceAddress(turn.household, turn.device)


def to_heard(event: interpreter_pb2.TurnInterpreted) -> Heard:
    """Read what was heard; a rejection from a later contract is taken as unreadable audio."""
    return Heard(
        transcript=event.transcript,
        hypotheses=tuple(to_hypothesis(hypothesis) for hypothesis in event.hypotheses),
        rejection=_REJECTIONS.get(event.rejection, Rejection.BAD_AUDIO),
        error_code=event.error_code,
    )


def to_hypothesis(message: interpreter_pb2.Hypothesis) -> Hypothesis:
    """Read a hypothesis."""
    return Hypothesis(
        intent=message.intent,
        confidence=message.confidence,
        slots=tuple(to_slot(slot) for slot in message.slots),
        recognizer=message.recognizer,
        skill_version=message.skill_version,
        alternative_index=message.alternative_index,
        added=added(message),
    )


def to_slot(message: interpreter_pb2.Slot) -> Slot:
    """Read a slot."""
    return Slot(name=message.name, text=message.text, value=_to_value(message.value), added=added(message))


def _to_value(message: interpreter_pb2.SlotValue) -> SlotValue | None:
    kind = message.WhichOneof("value")
    if kind == "string_value":
        return message.string_value
    if kind == "number_value":
        return message.number_value
    if kind == "duration_value":
        return message.duration_value.ToTimedelta()
    if kind == "date_time_value":
        value = message.date_time_value
        return CalendarValue(start=value.start, end=value.end, grain=value.grain)
    return None


def from_hypothesis(hypothesis: Hypothesis) -> interpreter_pb2.Hypothesis:
    """Write a hypothesis."""
    message = interpreter_pb2.Hypothesis(
        intent=hypothesis.intent,
        confidence=hypothesis.confidence,
        slots=[from_slot(slot) for slot in hypothesis.slots],
        recognizer=hypothesis.recognizer,
        skill_version=hypothesis.skill_version,
        alternative_index=hypothesis.alternative_index,
    )
    message.MergeFromString(hypothesis.added)
    return message


def from_slot(slot: Slot) -> interpreter_pb2.Slot:
    """Write a slot; one without a value means its words."""
    message = interpreter_pb2.Slot(name=slot.name, text=slot.text)
    value = slot.text if slot.value is None else slot.value
    if isinstance(value, str):
        message.value.string_value = value
    elif isinstance(value, timedelta):
        message.value.duration_value.FromTimedelta(value)
    elif isinstance(value, CalendarValue):
        message.value.date_time_value.start = value.start
        message.value.date_time_value.end = value.end
        message.value.date_time_value.grain = value.grain
    else:
        message.value.number_value = value
    # A kind of value that was added comes behind the words, and is what its readers see.
    message.MergeFromString(slot.added)
    return message


def to_session(payload: bytes) -> Session:
    """Read a session as it is stored."""
    message = session_pb2.Session.FromString(payload)
    pending = None
    if message.HasField("pending_question"):
        pending = PendingQuestion(
            hypothesis=to_hypothesis(message.pending_question.hypothesis),
            slot_name=message.pending_question.slot_name,
            ask_count=message.pending_question.ask_count,
        )
    session = Session(
        session_id=SessionId(message.session_id),
        revision=message.revision,
        next_turn_index=message.next_turn_index,
        last_turn_id=TurnId(message.last_turn_id) if message.last_turn_id else None,
        expire_time=to_moment(message.expire_time),
        pending_question=pending,
        skill_contexts={
            SkillId(skill): SkillContext(context.SerializeToString())
            for skill, context in message.skill_contexts.items()
        },
        last_hypothesis=to_hypothesis(message.last_hypothesis) if message.HasField("last_hypothesis") else None,
        last_outcome_id=OutcomeId(message.last_outcome_id) if message.last_outcome_id else None,
        locale=message.locale,
        last_prompts=tuple(message.last_prompts),
    )
    # What was added to these belongs to them, and ends with them.
    message.ClearField("last_hypothesis")
    message.ClearField("pending_question")
    return replace(session, added=added(message))


def from_session(session: Session) -> session_pb2.Session:
    """Write a session."""
    message = session_pb2.Session(
        session_id=session.session_id,
        revision=session.revision,
        next_turn_index=session.next_turn_index,
        last_turn_id=session.last_turn_id or "",
        expire_time=to_timestamp(session.expire_time),
        last_outcome_id=session.last_outcome_id or "",
        locale=session.locale,
        last_prompts=session.last_prompts,
    )
    for skill, context in session.skill_contexts.items():
        message.skill_contexts[skill].CopyFrom(struct_pb2.Struct.FromString(context))
    if session.last_hypothesis is not None:
        message.last_hypothesis.CopyFrom(from_hypothesis(session.last_hypothesis))
    if session.pending_question is not None:
        message.pending_question.hypothesis.CopyFrom(from_hypothesis(session.pending_question.hypothesis))
        message.pending_question.slot_name = session.pending_question.slot_name
        message.pending_question.ask_count = session.pending_question.ask_count
    message.MergeFromString(session.added)
    return message


def to_shadow(state: upstream_pb2.StateChanged | None) -> DeviceShadow:
    """Read what "stop" needs of a device's last known state."""
    if state is None:
        return DeviceShadow()
    return DeviceShadow(media_playing=state.media_playing, ringing=tuple(state.ringing_occurrence_ids))


def to_prompt(message: outcome_pb2.Prompt, default_locale: str) -> Prompt:
    """Read a prompt."""
    return Prompt(
        text=message.text,
        locale=message.locale or default_locale,
        key=message.key,
        interruptible=message.interruptible,
        added=added(message),
    )


def from_prompt(prompt: Prompt) -> outcome_pb2.Prompt:
    """Write a prompt."""
    message = outcome_pb2.Prompt(
        text=prompt.text, locale=prompt.locale, key=prompt.key, interruptible=prompt.interruptible
    )
    message.MergeFromString(prompt.added)
    return message


def from_fault(fault: Fault) -> error_pb2.Error:
    """Write a fault."""
    return error_pb2.Error(code=fault.code, message=fault.message, retryable=fault.retryable, stage=fault.stage)


def from_segment(segment: Segment, turn_id: TurnId, first_directive: int) -> outcome_pb2.Outcome:
    """Write a segment; who claims it adds turn, ids, sequence and revision.

    Args:
        segment: What to write.
        turn_id: Prefix of the directives' ids.
        first_directive: How many directives the outcome's earlier segments had.
    """
    outcome = outcome_pb2.Outcome(
        kind=KINDS[segment.kind],
        final=segment.final,
        prompts=[from_prompt(prompt) for prompt in segment.prompts],
        expects_reply=segment.expects_reply,
        skill_id=segment.skill_id,
        skill_version=segment.skill_version,
    )
    for index, directive in enumerate(segment.directives, first_directive):
        message = _from_directive(directive)
        message.directive_id = f"{turn_id}.{index}"
        outcome.directives.append(message)
    if segment.fault is not None:
        outcome.error.CopyFrom(from_fault(segment.fault))
    if segment.hypothesis is not None:
        outcome.intent = segment.hypothesis.intent
        outcome.hypothesis.CopyFrom(from_hypothesis(segment.hypothesis))
    return outcome


def stop_ring_outside(directive: StopRingDirective, directive_id: str, now: datetime) -> directive_pb2.Directive:
    """Write a StopRing for a device that performs no outcome now; "everything" means what rings within a minute."""
    message = _from_directive(directive)
    message.directive_id = directive_id
    if not directive.occurrence_id:
        message.expire_time.CopyFrom(to_timestamp(now + _EVERYTHING_FOR))
    return message


def _from_directive(directive: Directive) -> directive_pb2.Directive:
    message = directive_pb2.Directive()
    if isinstance(directive, SkillDirective):
        message.ParseFromString(directive.payload)
        message.ClearField("revision")
    elif isinstance(directive, SpeakDirective):
        message.speak.text = directive.text
        message.speak.locale = directive.locale
    elif isinstance(directive, ListenDirective):
        message.listen.session_id = directive.session_id
        message.listen.timeout.FromTimedelta(directive.timeout)
    elif isinstance(directive, StopSpeechDirective):
        message.stop_speech.outcome_id = directive.outcome_id
    elif isinstance(directive, StopRingDirective):
        message.stop_ring.SetInParent()
        message.stop_ring.occurrence_id = directive.occurrence_id
    elif isinstance(directive, StopMediaDirective):
        message.stop.SetInParent()
    return message
