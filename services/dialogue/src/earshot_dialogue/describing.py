"""Decisions and outcomes as span attributes."""

from __future__ import annotations

from earshot.common.v1 import turn_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_dialogue.core.policy import Apologise, AskSlot, BuiltIn, CallSkill, Decision, Reject
from earshot_dialogue.core.session import Session
from earshot_topology import attributes as names


def described(context: turn_pb2.TurnContext, session: Session, decision: Decision) -> dict[str, str | int]:
    """Return what a span tells of a decision; nothing that anybody said."""
    described: dict[str, str | int] = {
        names.TURN_ID: context.turn_id,
        names.HOUSEHOLD_ID: context.household_id,
        names.DEVICE_ID: context.device_id,
        names.SESSION_ID: session.session_id,
        names.TURN_INDEX: session.next_turn_index,
        names.LOCALE: context.locale,
    }
    if isinstance(decision, CallSkill | AskSlot):
        described[names.INTENT] = decision.hypothesis.intent
        described[names.SKILL_ID] = decision.route.skill.skill_id
        described[names.SKILL_VERSION] = decision.route.skill.version
    elif isinstance(decision, BuiltIn):
        described[names.INTENT] = decision.intent.value
    elif isinstance(decision, Reject | Apologise):
        described[names.ERROR_CODE] = decision.fault.code
    return described


def outcome_attributes(outcome: outcome_pb2.Outcome) -> dict[str, str]:
    """Return what a span tells of an outcome; the words only where words may be recorded."""
    told = {
        names.OUTCOME_ID: outcome.outcome_id,
        names.TURN_KIND: outcome_pb2.OutcomeKind.Name(outcome.kind).removeprefix("OUTCOME_KIND_").lower(),
        names.PII_ANSWER: " ".join(prompt.text for prompt in outcome.prompts),
    }
    return told | {names.ERROR_CODE: outcome.error.code} if outcome.error.code else told
