"""Decides turns: one interpretation in, one outcome claimed, the session moved on.

The order is: read the session, decide, call the skill, claim the outcome, write the session, acknowledge.

The outcome is claimed before the session is written, for three reasons. The user hears the answer one round trip
earlier. A session never tells of an answer that nobody heard, because a lost claim writes nothing. And a turn that is
delivered again finds the session either without the turn, and then decides from the same state as before, or with it,
and then there is nothing left to do: a session that holds the turn proves that its outcome stands.

    stopped before the claim          redelivered: decided anew, from the same session
    stopped between claim and write   redelivered: decided anew, the claim is refused, what stands is the same decision
                                      (kind, intent, session revision), and the session is written from it
    stopped after the write           redelivered: the session holds the turn; acknowledged
    the deadline or the device won    what stands is another decision: the session stays as it was

Two turns of one device at the same time both decide from the session they read; the later write is repeated on top of
the earlier one. The next utterance of a dialogue comes seconds after the answer was heard, so it finds the session
written, unless its writer died, or the next utterance is typed by a program. Therefore a turn that makes no sense by
itself ("Paris", "say that again") looks whether the session is behind the device's last outcome, and waits for it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from earshot.common.v1 import turn_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot_chassis import telemetry
from earshot_chassis.bus import Delivery
from earshot_chassis.ids import uuid7
from earshot_dialogue import metrics, wire
from earshot_dialogue.claims.chain import OutcomeChain
from earshot_dialogue.claims.decided import DecidedTurns
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core.catalogue import Catalogue
from earshot_dialogue.core.outcome import Segment
from earshot_dialogue.core.policy import Decision, Limits, decide, senseless
from earshot_dialogue.core.session import Session, TurnEffect, advance, current
from earshot_dialogue.core.values import Heard, OutcomeId, SessionId, Turn
from earshot_dialogue.describing import described, outcome_attributes
from earshot_dialogue.fulfilment import Scene, TurnDecidedError
from earshot_dialogue.languages import Languages
from earshot_dialogue.performing import Performer
from earshot_dialogue.sessions import SessionStore, StoredSession


class TurnDecider:
    """Handles turn.interpreted.

    Args:
        ledger: Where outcomes are claimed.
        sessions: Where sessions are kept.
        performer: Carries decisions out.
        languages: The assistant's own words.
        decided: Remembers decided turns.
        limits: How sure is sure enough.
        idle: How long a session outlives its last turn.
        answer_within: The deadline of a turn that brings none, from its event on.
    """

    def __init__(
        self,
        *,
        ledger: OutcomeLedger,
        sessions: SessionStore,
        performer: Performer,
        languages: Languages,
        decided: DecidedTurns,
        limits: Limits,
        idle: timedelta,
        answer_within: timedelta,
    ) -> None:
        self.catalogue = Catalogue()
        self._ledger = ledger
        self._sessions = sessions
        self._performer = performer
        self._languages = languages
        self._decided = decided
        self._limits = limits
        self._idle = idle
        self._answer_within = answer_within

    async def interpreted(self, event: interpreter_pb2.TurnInterpreted, delivery: Delivery) -> None:
        """Decide one turn.

        Raises:
            InvalidTurnError: The event can't be a turn's.
            RetryableError: The bus did not answer.
        """
        turn = wire.to_turn(event.turn, default_deadline=delivery.timestamp + self._answer_within)
        address = wire.address_of(turn)
        stored = await self._sessions.read(address)
        if stored.session is not None and stored.session.last_turn_id == turn.turn_id:
            return
        if delivery.num_delivered > 1 and await self._passed(address.turn_outcome(turn.turn_id), stored):
            return
        heard = wire.to_heard(event)
        session, decision = self._decide(stored.session, turn, heard, event.turn)
        if senseless(decision, session):
            newer = await self._sessions.caught_up(address, stored)
            if newer is not None:
                stored = newer
                session, decision = self._decide(stored.session, turn, heard, event.turn)
        scene = Scene(
            turn=turn,
            context=_in_session(event.turn, session),
            session=session,
            language=self._languages.or_fallback(turn.locale),
            transcript=heard.transcript,
            delivery=delivery.num_delivered,
        )
        chain = OutcomeChain(
            self._ledger, address.turn_outcome(turn.turn_id), scene.context, session_revision=session.revision + 1
        )
        try:
            ending = await self._performer.carry_out(decision, scene, chain, self.catalogue)
            claimed = await self._performer.claim(ending, scene, chain)
        except TurnDecidedError:
            metrics.LOST_CLAIMS.add(1)
            return
        self._decided.add(address, turn.turn_id)
        telemetry.annotate(outcome_attributes(claimed.outcome))
        if claimed.ours:
            elapsed_s = (time.monotonic_ns() - delivery.received_ns) / 1e9
            kind = ending.segment.kind.value
            code = ending.segment.fault.code if ending.segment.fault else ""
            metrics.TURN_DURATION.record(elapsed_s, {"kind": kind})
            metrics.TURNS.add(1, {"kind": kind, "code": code})
        else:
            metrics.LOST_CLAIMS.add(1)
            if not _same_decision(claimed.outcome, ending.segment, session):
                return
        if ending.effect is not None:
            await self._remember(scene, stored, ending.effect, claimed.outcome)

    def _decide(
        self, stored: Session | None, turn: Turn, heard: Heard, context: turn_pb2.TurnContext
    ) -> tuple[Session, Decision]:
        session = current(stored, datetime.now(UTC), SessionId(uuid7()), follows=turn.follows)
        with telemetry.span("dialogue.decide") as span:
            decision = decide(session, heard, self.catalogue, self._languages.find(context.locale), self._limits)
            if span.is_recording():
                span.set_attributes(described(context, session, decision))
        return session, decision

    async def _passed(self, subject: str, stored: StoredSession) -> bool:
        """Tell whether a redelivered turn is decided and the session has nothing to learn from it."""
        standing = await self._ledger.last(subject)
        if standing is None or not standing.outcome.final:
            return False
        revision = stored.session.revision if stored.session else 0
        return standing.outcome.session_revision != revision + 1

    async def _remember(
        self, scene: Scene, stored: StoredSession, effect: TurnEffect, outcome: outcome_pb2.Outcome
    ) -> None:
        # A session that began with this turn has the id that the outcome tells, also when an earlier delivery claimed it.
        session_id = SessionId(outcome.turn.session_id)

        def change(before: Session | None) -> Session | None:
            now = datetime.now(UTC)
            follows = scene.turn.follows
            base = scene.session if before is stored.session else current(before, now, session_id, follows=follows)
            if base.next_turn_index == 0:
                base = replace(base, session_id=session_id)
            after = advance(
                base,
                scene.turn.turn_id,
                locale=scene.language.locale,
                outcome_id=OutcomeId(outcome.outcome_id),
                effect=effect,
                now=now,
                idle=self._idle,
            )
            return None if after is base else after

        await self._sessions.update(wire.address_of(scene.turn), stored, change)


def _in_session(context: turn_pb2.TurnContext, session: Session) -> turn_pb2.TurnContext:
    placed = turn_pb2.TurnContext()
    placed.CopyFrom(context)
    placed.session_id = session.session_id
    placed.turn_index = session.next_turn_index
    return placed


def _same_decision(standing: outcome_pb2.Outcome, segment: Segment, session: Session) -> bool:
    """Tell whether what stands was decided from the same session and means the same: our own, from an earlier delivery."""
    return (
        standing.session_revision == session.revision + 1
        and standing.kind == wire.KINDS[segment.kind]
        and standing.intent == (segment.hypothesis.intent if segment.hypothesis else "")
        and standing.expects_reply == segment.expects_reply
    )
