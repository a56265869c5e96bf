"""What the store keeps: spans as they came, and one row a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
# Why a device gives a turn up that its user did not end: it apologised with its own clip, whatever came after that.
ABANDONED_BY_ITSELF = frozenset({"cloud_timeout", "network_lost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span. Times are nanoseconds since the Unix epoch; ids are lower-case hex digits."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    service: str
    instance: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    attributes: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    links: Sequence[Mapping[str, str]]


class TurnState(StrEnum):
    """Where a turn is. The first four are outcomes."""

    ANSWERED = "answered"
    APOLOGISED = "apologised"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    ABANDONED = "abandoned"
    UNFINISHED = "unfinished"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFact:
    """What one event tells of a turn; what it does not tell is empty or None.

    Attributes:
        turn_id: The turn.
        household_id: From the event's subject.
        device_id: From the event's subject.
        trace_id: From the event's headers.
        locale: BCP-47.
        started_ns: When its utterance began, or its first event was heard.
        outcome: answered, apologised, cancelled or rejected.
        decided_ns: When its outcome was decided.
        intent: What was fulfilled.
        error_code: Why it was not answered; `not_understood` of an answer that says no more than that.
        end_of_speech_ns: When the user had said it, by asr's word.
        first_audio_ns: When the device told that it had begun to play the answer.
        first_audio_s: Seconds from end of speech to that, by the device's own clock.
        finished_ns: When the device had played it.
        abandoned: Why the device gave it up.
    """

    turn_id: str
    household_id: str
    device_id: str
    trace_id: str = ""
    locale: str = ""
    started_ns: int | None = None
    outcome: str = ""
    decided_ns: int | None = None
    intent: str = ""
    error_code: str = ""
    end_of_speech_ns: int | None = None
    first_audio_ns: int | None = None
    first_audio_s: float | None = None
    finished_ns: int | None = None
    abandoned: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn as the ledger knows it: the sum of its facts."""

    fact: TurnFact
    heard_ns: int

    def state(self, now_ns: int, lost_after_s: float) -> TurnState:
        """Tell where the turn is: one without an outcome is lost when it has had more than enough time for one.

        What the device decided by itself is what was heard: an outcome that was claimed after that was not.
        """
        if self.fact.abandoned in ABANDONED_BY_ITSELF:
            return TurnState.ABANDONED
        if self.fact.outcome:
            return TurnState(self.fact.outcome)
        if self.fact.abandoned:
            return TurnState.ABANDONED
        return TurnState.LOST if now_ns - self.heard_ns > lost_after_s * 1e9 else TurnState.UNFINISHED

    @property
    def duration_s(self) -> float | None:
        """From the first event to the decision: as long as the user speaks, and then some."""
        began, decided = self.fact.started_ns, self.fact.decided_ns
        return None if began is None or decided is None else max(0.0, (decided - began) / 1e9)

    @property
    def first_audio_s(self) -> float | None:
        """From the end of speech to the first sound of the answer at the device: what its user waited.

        By the word of the device, which has both on one clock; of one that sends no spans, by when its PlaybackStarted was
        heard. None where nothing is heard: typed turns, answers without words, turns that were lost.
        """
        told, spoken, began = self.fact.first_audio_s, self.fact.end_of_speech_ns, self.fact.first_audio_ns
        if told is not None or spoken is None or began is None:
            return told
        return max(0.0, (began - spoken) / 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnQuery:
    """Which turns to list, newest first; empty fields select everything.

    Attributes:
        household_id: Its turns alone.
        device_id: Its turns alone.
        at_ns: Around this time.
        window_s: So many seconds before and after it.
        limit: At most so many.
        slower_than_s: Those alone whose user waited longer for first audio, or for nothing at all because the device gave up;
            longest first.
    """

    household_id: str = ""
    device_id: str = ""
    at_ns: int | None = None
    window_s: float = 60.0
    limit: int = 50
    slower_than_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one request or event adds to the store."""

    spans: Sequence[Span] = ()
    facts: Sequence[TurnFact] = ()
    rejected: int = field(default=0, compare=False)
