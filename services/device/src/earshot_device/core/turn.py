"""One turn as the device sees it: a state machine without I/O or a clock of its own.

    LISTENING ──endpoint, or the device's own last frame──► WAITING ──outcome──► ANSWERING ──► CLOSED
        │  └──────────────outcome (a rejection may be early)──────────────────────► ┘             ▲
        └──deadline: abandoned──────────────────┴──deadline: abandoned───────────────────────────┘

What is decided stays decided: the first outcome_id binds, an abandoned turn takes no outcome, and an update of a lower
owner epoch than one already seen is dropped (its sender has been replaced and does not know it yet).
Times are seconds of any monotonic clock; the caller passes them in.
"""

from __future__ import annotations

from enum import StrEnum

from earshot_device.core.ids import OutcomeId, TurnId
from earshot_device.core.outcome import OutcomeSegment
from earshot_device.core.recognition import Endpoint, Final, Interim, RecognitionUpdate


class Phase(StrEnum):
    """Where a turn stands."""

    LISTENING = "listening"
    WAITING = "waiting"
    ANSWERING = "answering"
    CLOSED = "closed"


class Verdict(StrEnum):
    """What became of something that the cloud sent."""

    ACCEPTED = "accepted"
    STALE = "stale"
    """From a lower owner epoch."""
    DUPLICATE = "duplicate"
    FOREIGN = "foreign"
    """Of another turn, or of an outcome that this turn is not bound to."""
    LATE = "late"
    """The turn is closed."""


class Turn:
    """State of one turn.

    Args:
        turn_id: Its id.
        now: The moment its first sample was heard.
        listen_limit_s: Longest utterance; the deadline of a turn that hears nothing from the cloud is this much later.
        answer_limit_s: Time for an outcome after end of speech.
    """

    def __init__(self, turn_id: TurnId, *, now: float, listen_limit_s: float, answer_limit_s: float) -> None:
        self.turn_id = turn_id
        self.phase = Phase.LISTENING
        self.epoch = 0
        self.interims: list[Interim] = []
        self.final: Final | None = None
        self.endpoint: Endpoint | None = None
        self.outcome_id: OutcomeId | None = None
        self._segments: dict[int, OutcomeSegment] = {}
        self._taken = 0
        self._answer_limit_s = answer_limit_s
        self._deadline: float | None = now + listen_limit_s + answer_limit_s

    @property
    def deadline(self) -> float | None:
        """When the device gives the turn up; None once it is bound or closed."""
        return self._deadline

    @property
    def complete(self) -> bool:
        """Whether every segment up to the final one is here."""
        return any(
            segment.final and all(i in self._segments for i in range(n)) for n, segment in self._segments.items()
        )

    @property
    def segments(self) -> tuple[OutcomeSegment, ...]:
        """Segments that are here, in order."""
        return tuple(self._segments[index] for index in sorted(self._segments))

    @property
    def awaits_recognition(self) -> bool:
        """Whether the cloud may still want frames: afterwards it forgets them, and must not be sent them again."""
        return self.phase in {Phase.LISTENING, Phase.WAITING} and self.final is None

    def hear(self, recognised: RecognitionUpdate, now: float) -> Verdict:
        """Take an update of the recogniser."""
        if recognised.turn_id != self.turn_id:
            return Verdict.FOREIGN
        if recognised.owner_epoch < self.epoch:
            return Verdict.STALE
        self.epoch = recognised.owner_epoch
        if self.phase is Phase.CLOSED:
            return Verdict.LATE
        update = recognised.update
        if isinstance(update, Interim):
            self.interims.append(update)
        elif isinstance(update, Final):
            self.final = update
        elif isinstance(update, Endpoint):
            self._end_speech(update, now)
        return Verdict.ACCEPTED

    def _end_speech(self, endpoint: Endpoint, now: float) -> None:
        # A worker that took the utterance over endpoints it again: its word is the newer one, but the user has been
        # waiting since the first.
        if self.endpoint is None and self.phase is Phase.WAITING:
            self._deadline = now + self._answer_limit_s
        self.endpoint = endpoint
        self.stop_listening(now)

    def stop_listening(self, now: float) -> None:
        """Note that the utterance is over; the outcome is due from here, or from the cloud's first endpoint after it."""
        if self.phase is Phase.LISTENING:
            self.phase = Phase.WAITING
            self._deadline = now + self._answer_limit_s

    def decide(self, segment: OutcomeSegment) -> Verdict:
        """Take a segment of an outcome; the first one binds the turn to its outcome_id."""
        if segment.turn_id != self.turn_id:
            return Verdict.FOREIGN
        if self.phase is Phase.CLOSED:
            return Verdict.LATE
        if self.outcome_id is not None and segment.outcome_id != self.outcome_id:
            return Verdict.FOREIGN
        if segment.segment_index in self._segments:
            return Verdict.DUPLICATE
        self.outcome_id = segment.outcome_id
        self._segments[segment.segment_index] = segment
        self.phase = Phase.ANSWERING
        self._deadline = None
        return Verdict.ACCEPTED

    def next_segment(self) -> OutcomeSegment | None:
        """Return the next segment in order, once; None while it is not here."""
        segment = self._segments.get(self._taken)
        if segment is not None:
            self._taken += 1
        return segment

    def expired(self, now: float) -> bool:
        """Whether the deadline has passed without an outcome."""
        return self._deadline is not None and now >= self._deadline

    def close(self) -> bool:
        """End the turn for whatever reason; False if it had ended already."""
        if self.phase is Phase.CLOSED:
            return False
        self.phase = Phase.CLOSED
        self._deadline = None
        return True
