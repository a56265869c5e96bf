"""How a turn ended and what is said, as values; and the frames that say it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from earshot_audio import Format
from earshot_device.core.directives import Directive, Speak
from earshot_device.core.ids import OutcomeId, SessionId, TurnId
from earshot_device.core.recognition import CloudError


class OutcomeKind(StrEnum):
    """How a turn ended; only the first two are heard."""

    UNSPECIFIED = "unspecified"
    ANSWERED = "answered"
    APOLOGISED = "apologised"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Words the assistant speaks."""

    text: str
    locale: str = ""
    key: str = ""
    interruptible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One filled slot: the words as they were said, and what they mean (a number, text, seconds, or a moment)."""

    name: str
    text: str
    value: str | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """What the cloud took the words to mean."""

    intent: str
    confidence: float
    slots: tuple[Slot, ...]
    recognizer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeSegment:
    """A segment of a turn's outcome; segment 0 decides, the last one is `final`."""

    turn_id: TurnId
    outcome_id: OutcomeId
    kind: OutcomeKind
    segment_index: int = 0
    final: bool = True
    prompts: tuple[Prompt, ...] = ()
    directives: tuple[Directive, ...] = ()
    expects_reply: bool = False
    session_id: SessionId | None = None
    turn_index: int = 0
    error: CloudError | None = None
    intent: str = ""
    skill_id: str = ""
    skill_version: str = ""
    understanding: Understanding | None = None

    def steps(self) -> Iterator[Directive | None]:
        """Yield what to do in order; None is "speak the prompts" where no Speak directive says where."""
        if self.prompts and not any(isinstance(directive.command, Speak) for directive in self.directives):
            yield None
        yield from self.directives


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFrame:
    """20 to 60 ms of an answer. `sequence` counts across the outcome's segments.

    A frame with an empty outcome_id belongs to a filler: words that bridge the wait for the outcome.
    """

    turn_id: TurnId
    outcome_id: OutcomeId
    segment_index: int
    sequence: int
    owner_epoch: int
    payload: bytes
    format: Format | None
    last: bool = False
    segment_last: bool = False
    duration_s: float = 0.0
