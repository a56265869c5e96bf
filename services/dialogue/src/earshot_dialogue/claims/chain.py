"""One turn's outcome, segment by segment, while it is being claimed.

Segment 0 expects that its subject is empty, segment n + 1 expects the sequence of segment n: whoever decides a turn
(a first delivery, a redelivery to another replica, the deadline, the device itself) goes through the same door, and the
server lets one through. Who is refused reads what stands there:

    our own segment              an earlier attempt got through and its acknowledgement was lost: go on
    an outcome that is final     adopted: the turn is decided, by somebody else or by ourselves in an earlier life
    an answer that is not final  its owner died between segments: take it over. Our segments that stand there already
                                 are skipped, the others are appended to it under its outcome id
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from earshot.common.v1 import turn_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.errors import ConflictError
from earshot_chassis.ids import uuid7
from earshot_dialogue import wire
from earshot_dialogue.claims.ledger import OutcomeLedger, Recorded
from earshot_dialogue.core.outcome import Kind, Segment
from earshot_dialogue.core.values import TurnId


class UnfinishedAnswerError(Exception):
    """An answer had begun before this turn failed: it has to be ended as an answer, not as an apology."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The segment that stands: ours, or the last one of somebody else's outcome."""

    outcome: outcome_pb2.Outcome
    ours: bool


class OutcomeChain:
    """Claims the segments of one turn.

    Args:
        ledger: Where.
        subject: The turn's outcome subject.
        context: The turn, as each segment tells it.
        session_revision: The session's revision after this turn.

    Attributes:
        session_revision: May be changed until the first segment is claimed.
        took_over: Whether an answer that somebody else began is being continued.
    """

    def __init__(
        self, ledger: OutcomeLedger, subject: str, context: turn_pb2.TurnContext, session_revision: int
    ) -> None:
        self._ledger = ledger
        self._subject = subject
        self._context = context
        self.session_revision = session_revision
        self._outcome_id = uuid7()
        self._recorded = 0
        self._said = 0
        self._sequence = 0
        self._directives = 0
        self.took_over = False

    @property
    def began(self) -> bool:
        """Whether a segment of this turn stands."""
        return self._recorded > 0

    async def append(self, segment: Segment) -> Claimed:
        """Claim the next segment.

        Raises:
            UnfinishedAnswerError: The segment is no answer, and the turn has an answer that is not final.
            RetryableError: Nobody acknowledged or answered.
        """
        mine = self._said
        self._said += 1
        while True:
            outcome = self._outcome(segment)
            if mine < self._recorded:
                if not segment.final:
                    return Claimed(outcome=outcome, ours=True)
                if segment.fault is None:
                    # What was taken over is longer than what is said now: it ends without another word.
                    outcome = self._outcome(Segment(kind=Kind.ANSWERED))
            try:
                sequence = await self._ledger.claim(self._subject, outcome)
            except ConflictError:
                standing = await self._ledger.standing(self._subject)
                last = standing[-1]
                # Byte for byte: who took the answer over writes under the same outcome id and index.
                if last.outcome == outcome:
                    sequence = last.sequence
                elif last.outcome.final:
                    return Claimed(outcome=last.outcome, ours=False)
                else:
                    self._take_over(standing)
                    if segment.kind is not Kind.ANSWERED:
                        raise UnfinishedAnswerError from None
                    continue
            self._recorded += 1
            self._sequence = sequence
            self._directives += len(outcome.directives)
            return Claimed(outcome=outcome, ours=True)

    def _take_over(self, standing: tuple[Recorded, ...]) -> None:
        self.took_over = True
        self._outcome_id = standing[-1].outcome.outcome_id
        self._recorded = len(standing)
        self._sequence = standing[-1].sequence
        self._directives = sum(len(each.outcome.directives) for each in standing)

    def _outcome(self, segment: Segment) -> outcome_pb2.Outcome:
        outcome = wire.from_segment(segment, TurnId(self._context.turn_id), self._directives)
        outcome.outcome_id = self._outcome_id
        outcome.turn.CopyFrom(self._context)
        outcome.segment_index = self._recorded
        outcome.expected_sequence = self._sequence
        outcome.session_revision = self.session_revision
        outcome.decide_time.FromNanoseconds(time.time_ns())
        return outcome
