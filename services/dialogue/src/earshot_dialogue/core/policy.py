"""What to do about one utterance: a pure function of the session, what was heard, and what the running skills can do.

    locale nobody speaks, unreadable audio, an earlier stage's error  ► Apologise
    no speech                                                         ► Reject
    not for us                                                        ► Reject, or ask again while a question is pending
    assistant.<intent>                                                ► BuiltIn
    a question is pending      the reply fills the slot; another intent, said clearly, changes the subject
    <skill>.reply              what a skill's templates say a reply may be: only ever an answer to its question
    a running skill's intent                                          ► CallSkill, or AskSlot for the first missing slot
    "and in Tokyo?"            the last meaning with one slot exchanged
    an intent that no running skill has                               ► Apologise
    anything else                                                     ► NotUnderstood

Rankings are taken in the recogniser's order: the first hypothesis that is sure enough and can be served wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from earshot_dialogue.core import followup
from earshot_dialogue.core.catalogue import Catalogue
from earshot_dialogue.core.language import Language
from earshot_dialogue.core.routing import Route, route
from earshot_dialogue.core.session import PendingQuestion, Session
from earshot_dialogue.core.values import Fault, Heard, Hypothesis, Rejection

# What a skill calls the sentences that are only ever said in answer to its questions.
_REPLY = "reply"
# NLU's word for a text without words, "🦄": no failure, but nothing that anybody understands.
_WORDLESS = {"", "empty_text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How sure is sure enough.

    Attributes:
        minimum_confidence: A hypothesis below it is not acted on.
        switch_confidence: From here on, another intent changes the subject while a question is pending.
        maximum_asks: How often one slot is asked for.
    """

    minimum_confidence: float = 0.5
    switch_confidence: float = 0.75
    maximum_asks: int = 3


class BuiltInIntent(StrEnum):
    """What the assistant does by itself; values are the intents' names."""

    STOP = "assistant.stop"
    CANCEL = "assistant.cancel"
    REPEAT = "assistant.repeat"
    HELP = "assistant.help"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSkill:
    """Call a skill. ask_count: how often the slot it may still ask for has been asked."""

    hypothesis: Hypothesis
    route: Route
    ask_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSlot:
    """Ask for one missing slot; ask_count counts this time."""

    hypothesis: Hypothesis
    route: Route
    slot_name: str
    ask_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """Do what the assistant does by itself."""

    intent: BuiltInIntent
    hypothesis: Hypothesis


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUnderstood:
    """Say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Stay silent: nobody spoke to us."""

    fault: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Apologise:
    """Say that it does not work."""

    fault: Fault


Decision = CallSkill | AskSlot | BuiltIn | NotUnderstood | Reject | Apologise


def decide(session: Session, heard: Heard, catalogue: Catalogue, language: Language | None, limits: Limits) -> Decision:
    """Return what to do; language is None when nobody here speaks the turn's locale."""
    if language is None:
        return Apologise(fault=Fault(code="unsupported_locale", message="no words in the turn's locale"))
    pending = session.pending_question
    if heard.rejection is Rejection.NO_SPEECH:
        return Reject(fault=Fault(code="no_speech", message="nobody spoke", stage="asr"))
    if heard.rejection is Rejection.NOT_FOR_US:
        again = _ask_again(session, pending, catalogue, limits) if pending else None
        return again or Reject(fault=Fault(code="not_for_us", message="no words that a skill knows", stage="asr"))
    if heard.rejection is Rejection.BAD_AUDIO or heard.error_code not in _WORDLESS:
        stage = "asr" if heard.rejection is Rejection.BAD_AUDIO else "nlu"
        return Apologise(fault=Fault(code=heard.error_code or "bad_audio", message="not recognised", stage=stage))
    sure = [hypothesis for hypothesis in heard.hypotheses if hypothesis.confidence >= limits.minimum_confidence]
    if sure and (built_in := _built_in(sure[0])) is not None:
        return built_in
    return _meant(session, heard, sure, catalogue, language, limits)


def _meant(
    session: Session,
    heard: Heard,
    sure: list[Hypothesis],
    catalogue: Catalogue,
    language: Language,
    limits: Limits,
) -> Decision:
    pending = session.pending_question
    likely = [hypothesis for hypothesis in sure if hypothesis.intent_name != _REPLY]
    decision: Decision | None = None
    if pending is not None:
        reply = _reply(pending, sure)
        if reply is not None:
            decision = _replied(session, pending, reply, catalogue)
        else:
            decision = _answer(session, pending, heard, likely, catalogue, language, limits)
    if decision is None and sure and not likely:
        # Somebody answered, and nobody had asked.
        return NotUnderstood()
    return decision or _fresh(session, heard, likely, catalogue, language)


def _reply(pending: PendingQuestion, sure: list[Hypothesis]) -> Hypothesis | None:
    """Return what was said as a reply to the skill that asked, if that is the likeliest meaning."""
    replies = [one for one in sure if one.intent == f"{pending.hypothesis.skill}.{_REPLY}" and one.slots]
    if not replies or replies[0].confidence < sure[0].confidence:
        return None
    return next((one for one in replies if one.slot(pending.slot_name) is not None), replies[0])


def _replied(
    session: Session, pending: PendingQuestion, reply: Hypothesis, catalogue: Catalogue
) -> CallSkill | AskSlot | None:
    """Return the asked meaning with what the reply says, as far as the intent knows of it."""
    asked = pending.hypothesis
    found = route(catalogue, asked, session.session_id, preferred_version=asked.skill_version)
    if found is None:
        return None
    known = {spec.name for spec in found.intent.slots}
    slots = [slot for slot in reply.slots if slot.name in known]
    return _fulfil(asked.filled(*slots), found, ask_count=pending.ask_count) if slots else None


def _built_in(hypothesis: Hypothesis) -> BuiltIn | None:
    try:
        return BuiltIn(intent=BuiltInIntent(hypothesis.intent), hypothesis=hypothesis)
    except ValueError:
        return None


def _fresh(
    session: Session, heard: Heard, likely: list[Hypothesis], catalogue: Catalogue, language: Language
) -> Decision:
    for hypothesis in likely:
        found = route(catalogue, hypothesis, session.session_id)
        if found is not None:
            return _fulfil(followup.inherit(session.last_hypothesis, hypothesis, heard, language), found)
    last = session.last_hypothesis
    if not likely and last is not None:
        found = route(catalogue, last, session.session_id, preferred_version=last.skill_version)
        completed = followup.exchange(last, heard, found, language) if found else None
        if found is not None and completed is not None:
            return _fulfil(completed, found)
    if likely:
        message = f"no running skill has {likely[0].intent}"
        return Apologise(fault=Fault(code="skill_unavailable", message=message, retryable=True))
    return NotUnderstood()


def _answer(
    session: Session,
    pending: PendingQuestion,
    heard: Heard,
    likely: list[Hypothesis],
    catalogue: Catalogue,
    language: Language,
    limits: Limits,
) -> Decision | None:
    asked = pending.hypothesis
    best = next((one for one in likely if route(catalogue, one, session.session_id) is not None), None)
    if best is not None and best.intent != asked.intent and best.confidence >= limits.switch_confidence:
        return None
    found = route(catalogue, asked, session.session_id, preferred_version=asked.skill_version)
    if found is None:
        message = f"no running skill has {asked.intent}"
        return Apologise(fault=Fault(code="skill_unavailable", message=message, retryable=True))
    if best is not None and best.intent == asked.intent and best.slots:
        completed = asked.filled(*best.slots)
    else:
        reply = followup.reply_slot(pending.slot_name, heard, found, language)
        if reply is None or (best is not None and best.intent == asked.intent):
            return _ask_again(session, pending, catalogue, limits)
        completed = asked.filled(reply)
    if completed.slot(pending.slot_name) is None:
        return _ask_again(session, pending, catalogue, limits)
    return _fulfil(completed, found, ask_count=pending.ask_count)


def _ask_again(
    session: Session, pending: PendingQuestion, catalogue: Catalogue, limits: Limits
) -> AskSlot | Apologise | None:
    asked = pending.hypothesis
    found = route(catalogue, asked, session.session_id, preferred_version=asked.skill_version)
    if found is None:
        return None
    if pending.ask_count >= limits.maximum_asks:
        message = f"{asked.intent} still lacks {pending.slot_name}"
        return Apologise(fault=Fault(code="question_unanswered", message=message))
    return AskSlot(hypothesis=asked, route=found, slot_name=pending.slot_name, ask_count=pending.ask_count + 1)


def _fulfil(hypothesis: Hypothesis, found: Route, *, ask_count: int = 0) -> CallSkill | AskSlot:
    for spec in found.intent.slots:
        if spec.required and hypothesis.slot(spec.name) is None:
            return AskSlot(hypothesis=hypothesis, route=found, slot_name=spec.name)
    return CallSkill(hypothesis=hypothesis, route=found, ask_count=ask_count)


def senseless(decision: Decision, session: Session) -> bool:
    """Tell whether a decision may only come of a session that does not know its last turn yet."""
    if isinstance(decision, BuiltIn):
        return (decision.intent is BuiltInIntent.REPEAT and not session.last_prompts) or (
            decision.intent is BuiltInIntent.CANCEL and session.pending_question is None
        )
    if isinstance(decision, Reject):
        return decision.fault.code == "not_for_us"
    return isinstance(decision, NotUnderstood)
