"""Maps between the dialogue's values and earshot.skill.v1, and refuses what no skill may answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from earshot.common.v1 import turn_pb2
from earshot.device.v1 import directive_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot.skill.v1 import skill_pb2
from earshot_chassis.codec import added
from earshot_dialogue import wire
from earshot_dialogue.core.session import Session
from earshot_dialogue.core.values import Hypothesis, Prompt, SkillContext, SkillDirective, SkillId
from earshot_dialogue.errors import SkillError
from earshot_topology.subjects import DeviceAddress

# One segment is a few sentences; a longer answer is several segments. Together with what surrounds it, the largest
# segment and the largest session stay far below the megabyte that the bus takes.
_CHARACTERS = 20_000
_PROMPTS = 50
_DIRECTIVES = 50
_DIRECTIVE_BYTES = 256 * 1024
_CONTEXT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillFiller:
    """Words that bridge a wait."""

    prompt: Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillAnswer:
    """A segment of the answer; context is None unless the final segment brings one."""

    prompts: tuple[Prompt, ...]
    directives: tuple[SkillDirective, ...]
    final: bool
    expects_reply: bool
    context: SkillContext | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillQuestion:
    """A slot is missing; prompt is None when the skill left the words to its description."""

    slot_name: str
    prompt: Prompt | None


SkillEvent = SkillFiller | SkillAnswer | SkillQuestion


def to_request(
    *,
    context: turn_pb2.TurnContext,
    hypothesis: Hypothesis,
    session: Session,
    transcript: str,
    deadline: datetime,
    device_state: upstream_pb2.StateChanged | None,
) -> skill_pb2.HandleRequest:
    """Write a call, but for its attempt. A turn makes one call: its index is 0."""
    address = DeviceAddress(context.household_id, context.device_id)
    request = skill_pb2.HandleRequest(
        turn=context,
        intent=hypothesis.intent_name,
        slots=[wire.from_slot(slot) for slot in hypothesis.slots],
        idempotency_key=f"{address.turn_key(context.turn_id)}.0",
        deadline_time=wire.to_timestamp(deadline),
        session_revision=session.revision,
        transcript=transcript,
    )
    kept = session.skill_contexts.get(SkillId(hypothesis.skill))
    if kept is not None:
        request.context.ParseFromString(kept)
    if device_state is not None:
        request.device_state.CopyFrom(device_state)
    return request


def to_event(response: skill_pb2.HandleResponse, locale: str) -> SkillEvent:
    """Read one step of an answer.

    Raises:
        SkillError: It is none: nothing set, a directive without a command, a question without a slot, too many words.
    """
    kind = response.WhichOneof("response")
    if kind == "filler":
        return SkillFiller(prompt=_prompts([response.filler], locale)[0])
    if kind == "answer":
        answer = response.answer
        return SkillAnswer(
            prompts=_prompts((prompt for prompt in answer.prompts if prompt.text), locale),
            directives=_directives(answer.directives),
            final=answer.final,
            expects_reply=answer.expects_reply,
            context=_context(answer) if answer.HasField("context") else None,
        )
    if kind == "question" and response.question.slot_name:
        prompt = response.question.prompt
        return SkillQuestion(
            slot_name=response.question.slot_name, prompt=_prompts([prompt], locale)[0] if prompt.text else None
        )
    raise _malformed(f"a response with {kind or 'nothing'} in it")


def _prompts(messages: Iterable[outcome_pb2.Prompt], locale: str) -> tuple[Prompt, ...]:
    prompts = tuple(wire.to_prompt(message, locale) for message in messages)
    if len(prompts) > _PROMPTS or sum(len(prompt.text) + len(prompt.added) for prompt in prompts) > _CHARACTERS:
        raise _malformed("more words than a segment may have")
    return prompts


def _directives(messages: Sequence[directive_pb2.Directive]) -> tuple[SkillDirective, ...]:
    if len(messages) > _DIRECTIVES or sum(message.ByteSize() for message in messages) > _DIRECTIVE_BYTES:
        raise _malformed("more directives than a segment may have")
    return tuple(_directive(message) for message in messages)


def _directive(message: directive_pb2.Directive) -> SkillDirective:
    command = message.WhichOneof("command")
    # One that a later contract has added is the device's to understand.
    if command is None and not added(message):
        raise _malformed("a directive without a command")
    return SkillDirective(payload=message.SerializeToString(), speaks=command == "speak")


def _context(answer: skill_pb2.Answer) -> SkillContext:
    context = answer.context.SerializeToString()
    if len(context) > _CONTEXT_BYTES:
        raise _malformed("more context than a session keeps")
    return SkillContext(context)


def _malformed(what: str) -> SkillError:
    return SkillError(f"the skill sent {what}", code="malformed_skill_response")
