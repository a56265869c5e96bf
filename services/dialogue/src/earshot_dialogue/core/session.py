"""A session: the dialogue of one device over one or more turns, and what each turn makes of it.

A session is looked up by device. It ends when nobody has said anything for a while; the next turn then opens another.
`revision` rises by one with each turn that changes it, and each outcome tells the revision that it led to, so that a
redelivered turn can be told from a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from earshot_dialogue.core.values import Contexts, Hypothesis, OutcomeId, SessionId, TurnId

# A dialogue seldom speaks to more skills than this, and a session has to fit into a message.
_CONTEXTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingQuestion:
    """One missing slot that was asked for: the meaning so far, the slot, and how often it has been asked."""

    hypothesis: Hypothesis
    slot_name: str
    ask_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A dialogue in progress. Field by field as in earshot.dialogue.v1.Session; expire_time is aware.

    `added` is what a later contract has added to it: a replica that does not know it carries it through the dialogue.
    """

    session_id: SessionId
    expire_time: datetime
    revision: int = 0
    next_turn_index: int = 0
    last_turn_id: TurnId | None = None
    pending_question: PendingQuestion | None = None
    skill_contexts: Contexts = field(default_factory=dict)
    last_hypothesis: Hypothesis | None = None
    last_outcome_id: OutcomeId | None = None
    locale: str = ""
    last_prompts: tuple[str, ...] = ()
    added: bytes = field(default=b"", repr=False)

    def expired(self, now: datetime) -> bool:
        """Tell whether the dialogue is over."""
        return now >= self.expire_time


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEffect:
    """What one turn leaves in its session.

    Attributes:
        pending_question: The question that waits for its answer; None: none does.
        hypothesis: What was understood; None keeps the last one.
        prompts: What was said; empty keeps the last words.
        contexts: What skills want kept; replaces what was kept under the same skill.
    """

    pending_question: PendingQuestion | None = None
    hypothesis: Hypothesis | None = None
    prompts: tuple[str, ...] = ()
    contexts: Contexts = field(default_factory=dict)


def current(stored: Session | None, now: datetime, new_id: SessionId, *, follows: SessionId | None = None) -> Session:
    """Return the session a turn belongs to: the stored one while it lasts, otherwise a fresh one.

    A turn that names the session it follows (the microphone was reopened for it) belongs to it however long the answer
    before it took to speak.

    A fresh session goes on counting revisions where the expired one stopped: a revision names one state of the key.
    """
    if stored is not None and (not stored.expired(now) or stored.session_id == follows):
        return stored
    return Session(session_id=new_id, expire_time=now, revision=stored.revision if stored else 0)


def advance(
    session: Session,
    turn_id: TurnId,
    *,
    locale: str,
    outcome_id: OutcomeId,
    effect: TurnEffect,
    now: datetime,
    idle: timedelta,
) -> Session:
    """Return the session after a turn; the session itself when it holds that turn already."""
    if session.last_turn_id == turn_id:
        return session
    contexts = session.skill_contexts
    if effect.contexts:
        others = {skill: kept for skill, kept in contexts.items() if skill not in effect.contexts}
        room = max(0, _CONTEXTS - len(effect.contexts))
        contexts = dict(list(others.items())[-room:] if room else []) | dict(effect.contexts)
    return replace(
        session,
        revision=session.revision + 1,
        next_turn_index=session.next_turn_index + 1,
        last_turn_id=turn_id,
        expire_time=now + idle,
        pending_question=effect.pending_question,
        skill_contexts=contexts,
        last_hypothesis=effect.hypothesis or session.last_hypothesis,
        last_outcome_id=outcome_id,
        locale=locale,
        last_prompts=effect.prompts or session.last_prompts,
    )
