"""Maps between the contract (earshot.skill.v1) and what handlers see. Nothing else here knows protobuf."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf import duration_pb2, json_format, struct_pb2, timestamp_pb2

from earshot.device.v1 import directive_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot.skill.v1 import skill_pb2
from earshot_skillkit.effects import Journal, OnceGuard
from earshot_skillkit.errors import (
    InvalidRequestError,
    InvalidSlotError,
    UnknownIntentError,
    UnsupportedLocaleError,
)
from earshot_skillkit.manifest import EffectGuarantee, SlotType
from earshot_skillkit.package import SkillPackage
from earshot_skillkit.replies import (
    Answer,
    ChangeVolume,
    Directive,
    Effect,
    Filler,
    MediaItem,
    Pause,
    Play,
    PlayBehavior,
    Prompt,
    Question,
    Resume,
    SetVolume,
    Speak,
    Step,
    Stop,
)
from earshot_skillkit.request import (
    DeviceId,
    DeviceState,
    FilledSlot,
    HouseholdId,
    Request,
    SlotValue,
    Span,
    Voice,
)
from earshot_skillkit.responses import QUESTION

_SLOT_TYPES = {
    SlotType.TEXT: skill_pb2.SLOT_TYPE_TEXT,
    SlotType.NUMBER: skill_pb2.SLOT_TYPE_NUMBER,
    SlotType.DURATION: skill_pb2.SLOT_TYPE_DURATION,
    SlotType.DATE_TIME: skill_pb2.SLOT_TYPE_DATE_TIME,
}
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){3}")
_GUARANTEES = {
    EffectGuarantee.NONE: skill_pb2.EFFECT_GUARANTEE_NONE,
    EffectGuarantee.EXACTLY_ONCE: skill_pb2.EFFECT_GUARANTEE_EXACTLY_ONCE,
    EffectGuarantee.AT_MOST_ONCE: skill_pb2.EFFECT_GUARANTEE_AT_MOST_ONCE,
    EffectGuarantee.AT_LEAST_ONCE: skill_pb2.EFFECT_GUARANTEE_AT_LEAST_ONCE,
}
_EFFECTS = {
    Effect.NONE: skill_pb2.EFFECT_RESULT_UNSPECIFIED,
    Effect.DONE: skill_pb2.EFFECT_RESULT_DONE,
    Effect.FAILED: skill_pb2.EFFECT_RESULT_FAILED,
    Effect.UNKNOWN: skill_pb2.EFFECT_RESULT_UNKNOWN,
}
_BEHAVIORS = {
    PlayBehavior.REPLACE_ALL: directive_pb2.PLAY_BEHAVIOR_REPLACE_ALL,
    PlayBehavior.ENQUEUE: directive_pb2.PLAY_BEHAVIOR_ENQUEUE,
}


# Longest words of a slot. A handler may say them, or send them on; nobody says more in one breath.
_MAX_SLOT_CHARACTERS = 500


def description(package: SkillPackage) -> skill_pb2.SkillDescription:
    """Return what a skill registers, with its digest."""
    manifest = package.manifest
    message = skill_pb2.SkillDescription(
        skill_id=manifest.id,
        version=package.version,
        intents=[
            skill_pb2.IntentDescription(
                name=name,
                summary=intent.summary,
                has_effect=intent.effect,
                slots=[
                    skill_pb2.SlotDescription(name=slot, type=_SLOT_TYPES[declared.type], required=declared.required)
                    for slot, declared in intent.slots.items()
                ],
            )
            for name, intent in manifest.intents.items()
        ],
        locales=[
            skill_pb2.LocaleResources(
                locale=locale,
                sentences_yaml=words.sentences_yaml,
                slot_prompts={
                    key.removeprefix(QUESTION): words.responses.render(key, {})
                    for key in sorted(words.responses.keys)
                    if key.startswith(QUESTION)
                },
            )
            for locale, words in package.words.items()
        ],
        timeout=duration_pb2.Duration(nanos=0),
        effect_guarantee=_GUARANTEES[manifest.effect_guarantee],
    )
    message.timeout.FromTimedelta(timedelta(seconds=manifest.timeout_s))
    message.digest = sha256(message.SerializeToString(deterministic=True)).hexdigest()
    return message


def request(message: skill_pb2.HandleRequest, package: SkillPackage, *, journal: Journal, now: datetime) -> Request:
    """Read a call.

    Args:
        message: As it came.
        package: The skill that is called.
        journal: Where its effects are written down.
        now: The present moment, aware.

    Raises:
        UnknownIntentError: The intent is not the skill's.
        InvalidSlotError: A slot is not the intent's, has no value, or is too long.
        UnsupportedLocaleError: The skill has no words in the locale.
        InvalidRequestError: The time zone is unknown, or household or idempotency key is missing, or the key is
            another household's.
    """
    turn = message.turn
    declared = package.manifest.intents.get(message.intent)
    if declared is None:
        raise UnknownIntentError(f"{package.manifest.id} has no such intent: {message.intent[:80]!r}")
    words = package.words.get(turn.locale)
    if words is None:
        raise UnsupportedLocaleError(f"{package.manifest.id} has no words in {turn.locale[:20]!r}")
    if not turn.household_id or not message.idempotency_key:
        raise InvalidRequestError("household or idempotency key is missing")
    if not _KEY.fullmatch(message.idempotency_key) or not message.idempotency_key.startswith(f"{turn.household_id}."):
        raise InvalidRequestError("the idempotency key is not <household>.<device>.<turn>.<call>")
    zone = _zone(turn.time_zone)
    local = now.astimezone(zone)
    limit = now + timedelta(seconds=package.manifest.timeout_s)
    deadline = message.deadline_time.ToDatetime(UTC) if message.HasField("deadline_time") else limit
    return Request(
        intent=message.intent,
        slots={slot.name: _slot(slot, set(declared.slots), message.intent) for slot in message.slots},
        locale=turn.locale,
        zone=zone,
        now=local,
        deadline=deadline,
        household_id=HouseholdId(turn.household_id),
        device_id=DeviceId(turn.device_id),
        turn_id=turn.turn_id,
        session_id=turn.session_id,
        idempotency_key=message.idempotency_key,
        attempt=message.attempt,
        context=json_format.MessageToDict(message.context),
        device=_device_state(message.device_state) if message.HasField("device_state") else None,
        transcript=message.transcript,
        has_effect=declared.effect,
        voice=Voice(skill_id=package.manifest.id, responses=words.responses),
        guard=OnceGuard(
            journal=journal,
            guarantee=package.manifest.effect_guarantee,
            key=message.idempotency_key,
            deadline=min(deadline, limit),
        ),
    )


def response(step: Step, idempotency_key: str, first_directive: int = 0) -> skill_pb2.HandleResponse:
    """Return one step of an answer.

    Args:
        step: From the handler.
        idempotency_key: Of the call; the ids of its directives begin with it.
        first_directive: How many directives the steps before it had.
    """
    if isinstance(step, Filler):
        return skill_pb2.HandleResponse(filler=_prompt(step.prompt))
    if isinstance(step, Question):
        question = skill_pb2.Question(slot_name=step.slot_name, prompt=_prompt(step.prompt))
        return skill_pb2.HandleResponse(question=question)
    return skill_pb2.HandleResponse(answer=_answer(step, idempotency_key, first_directive))


def _answer(answer: Answer, idempotency_key: str, first_directive: int) -> skill_pb2.Answer:
    message = skill_pb2.Answer(
        prompts=[_prompt(prompt) for prompt in answer.prompts],
        directives=[
            _directive(directive, f"{idempotency_key}.{first_directive + index}", answer)
            for index, directive in enumerate(answer.directives)
        ],
        final=answer.final,
        expects_reply=answer.expects_reply,
        effect_result=_EFFECTS[answer.effect],
    )
    if answer.context is not None:
        message.context.CopyFrom(json_format.ParseDict(dict(answer.context), struct_pb2.Struct()))
    return message


def _prompt(prompt: Prompt) -> outcome_pb2.Prompt:
    return outcome_pb2.Prompt(
        text=prompt.text, locale=prompt.locale, key=prompt.key, interruptible=prompt.interruptible
    )


def _directive(directive: Directive, directive_id: str, answer: Answer) -> directive_pb2.Directive:
    message = directive_pb2.Directive(directive_id=directive_id)
    match directive:
        case Play():
            items = [_media_item(item) for item in directive.items]
            message.play.CopyFrom(directive_pb2.Play(items=items, behavior=_BEHAVIORS[directive.behavior]))
        case Speak():
            message.speak.text = " ".join(prompt.text for prompt in answer.prompts)
            message.speak.locale = answer.prompts[0].locale if answer.prompts else ""
        case Pause():
            message.pause.SetInParent()
        case Resume():
            message.resume.SetInParent()
        case Stop():
            message.stop.SetInParent()
        case SetVolume():
            message.set_volume.volume_percent = directive.percent
        case ChangeVolume():
            message.set_volume.delta_percent = directive.delta_percent
    return message


def _media_item(item: MediaItem) -> directive_pb2.MediaItem:
    message = directive_pb2.MediaItem(
        item_id=item.item_id, url=item.url, media_type=item.media_type, title=item.title, artist=item.artist
    )
    message.start_offset.FromTimedelta(item.start)
    if item.duration is not None:
        message.duration.FromTimedelta(item.duration)
    return message


def _slot(slot: interpreter_pb2.Slot, known: set[str], intent: str) -> FilledSlot:
    if slot.name not in known:
        raise InvalidSlotError(f"{intent!r} has no such slot: {slot.name[:80]!r}")
    if max(len(slot.text), len(slot.value.string_value)) > _MAX_SLOT_CHARACTERS:
        raise InvalidSlotError(f"slot {slot.name!r} is longer than {_MAX_SLOT_CHARACTERS} characters")
    return filled(slot)


def filled(slot: interpreter_pb2.Slot) -> FilledSlot:
    """Return a filled slot as handlers see it.

    Raises:
        InvalidSlotError: It has no value.
    """
    return FilledSlot(text=slot.text, value=_value(slot.value, slot.name))


def _value(value: interpreter_pb2.SlotValue, name: str) -> SlotValue:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "number_value":
            return value.number_value
        case "duration_value":
            return value.duration_value.ToTimedelta()
        case "date_time_value":
            return _span(value.date_time_value, name)
    raise InvalidSlotError(f"slot {name!r} has no value")


def _span(value: interpreter_pb2.DateTimeValue, name: str) -> Span:
    try:
        start, end = datetime.fromisoformat(value.start), datetime.fromisoformat(value.end)
    except ValueError as error:
        raise InvalidSlotError(f"slot {name!r} does not hold RFC 3339 times") from error
    if start.tzinfo is None or end.tzinfo is None or end <= start:
        raise InvalidSlotError(f"slot {name!r} does not hold a stretch of time with offsets")
    return Span(start=start, end=end, grain=value.grain)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRequestError(f"unknown time zone: {name[:80]!r}") from error


def _device_state(state: upstream_pb2.StateChanged) -> DeviceState:
    return DeviceState(
        volume_percent=state.volume_percent,
        muted=state.muted,
        media_item_id=state.media_item_id,
        media_playing=state.media_playing,
        media_offset=state.media_offset.ToTimedelta(),
        ringing=tuple(state.ringing_occurrence_ids),
    )


def endpoint(
    registered: skill_pb2.SkillDescription, *, instance_id: str, target: str, weight: int
) -> skill_pb2.SkillEndpoint:
    """Return a replica's lease."""
    return skill_pb2.SkillEndpoint(
        skill_id=registered.skill_id,
        version=registered.version,
        instance_id=instance_id,
        target=target,
        weight=weight,
        digest=registered.digest,
    )


def timestamp(moment: datetime) -> timestamp_pb2.Timestamp:
    """Return a moment as the contract has it."""
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment.astimezone(UTC))
    return message


def slot(name: str, text: str, value: SlotValue) -> interpreter_pb2.Slot:
    """Return a filled slot as the contract has it; the inverse of what `request` reads."""
    message = interpreter_pb2.Slot(name=name, text=text)
    match value:
        case str():
            message.value.string_value = value
        case timedelta():
            message.value.duration_value.FromTimedelta(value)
        case Span():
            message.value.date_time_value.start = value.start.isoformat()
            message.value.date_time_value.end = value.end.isoformat()
            message.value.date_time_value.grain = value.grain
        case _:
            message.value.number_value = float(value)
    return message


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    """Return JSON values as the contract has them."""
    return json_format.ParseDict(values, struct_pb2.Struct())
