"""Turn deadlines: armed on the DEADLINES stream, kept by the server, read when due.

A deadline is a scheduled message. Arming it again moves it; it is never cancelled, because a deadline that becomes due
after the turn was decided costs less than a cancellation of each. Due messages stay on the stream until they are purged
here, behind the reader: the stream has no maximum age, which would delete deadlines that are still to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from nats.errors import Error as NatsError
from nats.js.errors import APIError

from earshot.common.v1 import turn_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis import telemetry
from earshot_chassis.bus import Bus, Delivery
from earshot_dialogue import metrics, wire
from earshot_dialogue.claims.chain import OutcomeChain, UnfinishedAnswerError
from earshot_dialogue.claims.decided import DecidedTurns
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core.outcome import Segment, apology, broken_off, for_device
from earshot_dialogue.core.values import Fault, SessionId
from earshot_dialogue.describing import outcome_attributes
from earshot_dialogue.languages import Languages
from earshot_topology import attributes
from earshot_topology.streams import DIALOGUE_DEADLINE
from earshot_topology.subjects import TURN_DEADLINE_DUE, DeviceAddress

_PURGE_EVERY_S = 60.0
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
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    headers = {**(root or {}), "Nats-Schedule": f"@at {stamp}", "Nats-Schedule-Target": TURN_DEADLINE_DUE}
    expected = 0 if only_first else None
    subject = DeviceAddress(context.household_id, context.device_id).deadline_arm(context.turn_id)
    await bus.publish(subject, deadline, headers=headers, expected_last_subject_sequence=expected)
    in_s = round((at - datetime.now(UTC)).total_seconds(), 3)
    telemetry.note("deadline.armed", {attributes.DEADLINE_FOR: waiting_for, attributes.DEADLINE_IN: in_s})


class DeadlineReader:
    """Reads turn.deadline.due: a turn without an outcome gets an apology."""

    def __init__(self, bus: Bus, ledger: OutcomeLedger, languages: Languages, decided: DecidedTurns) -> None:
        self._bus = bus
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

    async def keep_purging(self) -> None:
        """Purge due messages that were read, now and then, for ever."""
        while True:
            await asyncio.sleep(_PURGE_EVERY_S)
            try:
                await self.purge()
            except (NatsError, APIError, OSError) as error:
                _log.warning("purge_failed", error=type(error).__name__)

    async def purge(self) -> None:
        """Purge due messages that every reader has acknowledged.

        Raises:
            NatsError, APIError: The server did not answer, or refused.
        """
        info = await self._bus.jetstream.consumer_info(DIALOGUE_DEADLINE.stream, DIALOGUE_DEADLINE.durable)
        if info.ack_floor is not None and info.ack_floor.stream_seq:
            await self._bus.jetstream.purge_stream(
                DIALOGUE_DEADLINE.stream, subject=TURN_DEADLINE_DUE, seq=info.ack_floor.stream_seq + 1
            )
