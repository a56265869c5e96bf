"""How a turn ends, as values: segments of an outcome, built from decisions and from what skills say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from earshot_dialogue.core.language import Language
from earshot_dialogue.core.values import (
    Directive,
    Fault,
    Hypothesis,
    ListenDirective,
    Prompt,
    SessionId,
    SkillDirective,
    SpeakDirective,
)

EFFECT_UNKNOWN = "effect_unknown"
"""The code of a fault that leaves open whether something was done outside."""


class Kind(StrEnum):
    """How a turn ended; values label metrics."""

    ANSWERED = "answered"
    APOLOGISED = "apologised"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment of an outcome, before it is claimed.

    Attributes:
        kind: The same in every segment of a turn.
        prompts: What to say, in order.
        directives: What to do, in order.
        final: Whether it is the last one.
        expects_reply: Whether the microphone reopens afterwards.
        fault: Why, for all kinds but ANSWERED, and for an answer that broke off.
        hypothesis: What was fulfilled.
        skill_id: Who answered; empty for the assistant itself.
        skill_version: Its version.
    """

    kind: Kind
    prompts: tuple[Prompt, ...] = ()
    directives: tuple[Directive, ...] = ()
    final: bool = True
    expects_reply: bool = False
    fault: Fault | None = None
    hypothesis: Hypothesis | None = None
    skill_id: str = ""
    skill_version: str = ""


def apology(fault: Fault, language: Language, hypothesis: Hypothesis | None = None) -> Segment:
    """Return what ends a turn that failed: words for the fault's code, never its message."""
    return Segment(kind=Kind.APOLOGISED, prompts=(language.apology(fault.code),), fault=fault, hypothesis=hypothesis)


def broken_off(fault: Fault, language: Language) -> Segment:
    """Return the last segment of an answer that can't be finished; its kind stays what the user has heard begin."""
    unknown = fault.code == EFFECT_UNKNOWN
    words = language.apology(fault.code) if unknown else language.say("interrupted_answer")
    return Segment(kind=Kind.ANSWERED, prompts=(words,), fault=fault)


def silent(kind: Kind, fault: Fault) -> Segment:
    """Return the end of a turn that nobody hears: CANCELLED or REJECTED."""
    return Segment(kind=kind, fault=fault)


def question(words: str, language: Language, hypothesis: Hypothesis, *, slot_name: str) -> Prompt:
    """Return the prompt that asks for a slot: the skill's words, or general ones where it has none in this locale."""
    if words:
        return Prompt(text=words, locale=language.locale, key=f"{hypothesis.intent}.{slot_name}")
    return language.say("missing_slot")


def for_device(segment: Segment, *, spoken: bool, session_id: SessionId, listen: timedelta) -> Segment:
    """Return the segment with the directives that playing it takes.

    Prompts are spoken where a Speak directive stands: first, unless the skill placed one. A typed turn is not spoken
    and reopens no microphone.
    """
    if not spoken:
        return segment
    directives = segment.directives
    if segment.prompts and not any(_speaks(directive) for directive in directives):
        text = " ".join(prompt.text for prompt in segment.prompts)
        directives = (SpeakDirective(text=text, locale=segment.prompts[0].locale), *directives)
    if segment.final and segment.expects_reply:
        directives = (*directives, ListenDirective(session_id=session_id, timeout=listen))
    return segment if directives is segment.directives else replace(segment, directives=directives)


def _speaks(directive: Directive) -> bool:
    return isinstance(directive, SpeakDirective) or (isinstance(directive, SkillDirective) and directive.speaks)
