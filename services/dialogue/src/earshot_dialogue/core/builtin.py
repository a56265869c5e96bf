"""What the assistant does by itself: stop, cancel, repeat, help."""

from __future__ import annotations

from dataclasses import dataclass, field

from earshot_dialogue.core.catalogue import Catalogue
from earshot_dialogue.core.language import Language
from earshot_dialogue.core.outcome import Kind, Segment
from earshot_dialogue.core.policy import BuiltIn, BuiltInIntent
from earshot_dialogue.core.session import PendingQuestion, Session, TurnEffect
from earshot_dialogue.core.values import (
    DeviceShadow,
    Directive,
    Fault,
    Hypothesis,
    OutcomeId,
    Prompt,
    StopMediaDirective,
    StopRingDirective,
    StopSpeechDirective,
)

_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """A built-in's outcome and what it leaves in the session."""

    segment: Segment
    effect: TurnEffect = field(default_factory=TurnEffect)


def perform(
    built_in: BuiltIn,
    session: Session,
    language: Language,
    catalogue: Catalogue,
    shadow: DeviceShadow,
    speaking: OutcomeId | None = None,
) -> Performance:
    """Do one built-in; speaking is the outcome that is perhaps being spoken."""
    if built_in.intent is BuiltInIntent.STOP:
        return _stop(built_in.hypothesis, shadow, speaking)
    if built_in.intent is BuiltInIntent.CANCEL:
        key = "cancelled" if session.pending_question else "nothing_to_cancel"
        return _words(language.say(key), built_in.hypothesis)
    if built_in.intent is BuiltInIntent.REPEAT:
        return _repeat(built_in.hypothesis, session, language)
    return _words(_help(language, catalogue), built_in.hypothesis, session.pending_question)


def _stop(hypothesis: Hypothesis, shadow: DeviceShadow, speaking: OutcomeId | None) -> Performance:
    """Silence everything on the device; the turn itself ends without a word."""
    directives: list[Directive] = []
    if speaking:
        directives.append(StopSpeechDirective(outcome_id=speaking))
    directives.extend(StopRingDirective(occurrence_id=occurrence) for occurrence in shadow.ringing)
    # Whatever rings: what has just begun to may not be in the shadow yet.
    directives.append(StopRingDirective())
    # Ringing is what "stop" means while something rings; what plays behind it goes on.
    if not shadow.ringing:
        directives.append(StopMediaDirective())
    fault = Fault(code="stopped_by_user", message="the user said stop")
    return Performance(
        segment=Segment(kind=Kind.CANCELLED, directives=tuple(directives), fault=fault, hypothesis=hypothesis)
    )


def _repeat(hypothesis: Hypothesis, session: Session, language: Language) -> Performance:
    if not session.last_prompts:
        return _words((language.say("nothing_to_repeat"),), hypothesis)
    prompts = tuple(
        Prompt(text=text, locale=session.locale or language.locale, key="assistant.repeat")
        for text in session.last_prompts
    )
    return _words(prompts, hypothesis, session.pending_question)


def _help(language: Language, catalogue: Catalogue) -> Prompt:
    examples: list[str] = []
    for versions in catalogue.skills.values():
        words = versions[-1].words.get(language.locale)
        if words is not None and words.examples:
            examples.append(words.examples[0])
    if not examples:
        return language.say("help_without_skills")
    return language.say("help", examples=language.separator.join(examples[:_EXAMPLES]))


def _words(
    prompts: Prompt | tuple[Prompt, ...], hypothesis: Hypothesis, pending: PendingQuestion | None = None
) -> Performance:
    said = (prompts,) if isinstance(prompts, Prompt) else prompts
    segment = Segment(kind=Kind.ANSWERED, prompts=said, hypothesis=hypothesis, expects_reply=pending is not None)
    # What was said becomes what can be said again, but a repetition or help must not hide the question behind it.
    kept = () if pending else tuple(prompt.text for prompt in said)
    return Performance(segment=segment, effect=TurnEffect(pending_question=pending, prompts=kept))
