"""Turn deadlines: armed on the DEADLINES stream, kept by the server, read when due.

A deadline is a scheduled message. Arming it again moves it; it is never cancelled, because a deadline that becomes due
after the turn was decided costs less than a cancellation of each. Due messages stay on the stream until they are purged
behind the reader (`earshot_chassis.scheduling`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from earshot.common.v1 import turn_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis import telemetry
from earshot_chassis.bus import Bus, Delivery
from earshot_chassis.scheduling import publish_at
from earshot_dialogue import metrics, wire
from earshot_dialogue.claims.chain import OutcomeChain, UnfinishedAnswerError
from earshot_dialogue.claims.decided import DecidedTurns
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core.outcome import Segment, apology, broken_off, for_device
from earshot_dialogue.core.values import Fault, SessionId
from earshot_dialogue.describing import outcome_attributes
from earshot_dialogue.languages import Languages
from earshot_topology import attributes
from earshot_topology.subjects import TURN_DEADLINE_DUE, DeviceAddress

_log = telemetry.logger("deadlines")


async def arm(
    bus: Bus,
    context: turn_pb2.TurnContext,
    at: datetime,
    waiting_for: str,
    *,
    only_first: bool = False,
    root: Mapping[str, str] | None = None,
) -> None:
    """Arm a turn's deadline, or move it.

    Args:
        bus: The bus.
        context: The turn as far as it is known; its deadline is set to `at`.
        at: When it becomes due.
        waiting_for: "speech" or "answer".
        only_first: Leave a deadline that is armed already as it is.
        root: Trace context of what the deadline's own span lies under; default: the current one.

    Raises:
        ConflictError: It is armed already.
        RetryableError: The stream did not acknowledge.
    """
    deadline = outcome_pb2.TurnDeadline(turn=context, waiting_for=waiting_for)
    deadline.turn.deadline_time.FromDatetime(at)
    subject = DeviceAddress(context.household_id, context.device_id).deadline_arm(context.turn_id)
    expected = 0 if only_first else None
    await publish_at(
        bus,
        subject,
        deadline,
        at,
        target=TURN_DEADLINE_DUE,
        headers=root,
        expected_last_subject_sequence=expected,
    )
    in_s = round((at - datetime.now(UTC)).total_seconds(), 3)
    telemetry.note("deadline.armed", {attributes.DEADLINE_FOR: waiting_for, attributes.DEADLINE_IN: in_s})


class DeadlineReader:
    """Reads turn.deadline.due: a turn without an outcome gets an apology."""

    def __init__(self, ledger: OutcomeLedger, languages: Languages, decided: DecidedTurns) -> None:
        self._ledger = ledger
        self._languages = languages
        self._decided = decided

    async def obsolete(self, event: outcome_pb2.TurnDeadline) -> bool:
        """Tell whether the turn has its final outcome.

        Raises:
            InvalidTurnError: The event can't be a turn's.
            RetryableError: The bus did not answer.
        """
        turn = wire.to_turn(event.turn, default_deadline=datetime.now(UTC))
        address = wire.address_of(turn)
        decided = self._decided.holds(address, turn.turn_id)
        if not decided:
            standing = await self._ledger.last(address.turn_outcome(turn.turn_id))
            decided = standing is not None and standing.outcome.final
        if decided:
            metrics.DEADLINES.add(1, {"result": "obsolete"})
        return decided

    async def due(self, event: outcome_pb2.TurnDeadline, delivery: Delivery) -> None:
        """Claim an apology for a turn that is not decided. An answer that was never finished is finished.

        Raises:
            InvalidTurnError: The event can't be a turn's.
            RetryableError: The bus did not answer.
        """
        turn = wire.to_turn(event.turn, default_deadline=delivery.timestamp)
        subject = wire.address_of(turn).turn_outcome(turn.turn_id)
        fault = Fault(code="deadline_exceeded", message=f"no {event.waiting_for or 'answer'} in time", retryable=True)
        language = self._languages.or_fallback(turn.locale)
        chain = OutcomeChain(self._ledger, subject, event.turn, session_revision=0)

        def played(segment: Segment) -> Segment:
            return for_device(
                segment, spoken=turn.spoken, session_id=SessionId(event.turn.session_id), listen=wire.NO_TIME
            )

        try:
            claimed = await chain.append(played(apology(fault, language)))
        except UnfinishedAnswerError:
            claimed = await chain.append(played(broken_off(fault, language)))
        result = "claimed" if claimed.ours else "obsolete"
        telemetry.annotate({attributes.DEADLINE_RESULT: result, attributes.DEADLINE_FOR: event.waiting_for})
        telemetry.annotate(outcome_attributes(claimed.outcome))
        metrics.DEADLINES.add(1, {"result": result})
        if claimed.ours:
            kind = "apologised" if not chain.took_over else "answered"
            metrics.TURNS.add(1, {"kind": kind, "code": fault.code})
            _log.warning("deadline_exceeded", turn_id=turn.turn_id, waiting_for=event.waiting_for)
