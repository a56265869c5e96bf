"""The words of the dialogue's domain: ids, meanings, prompts and directives. No I/O, no protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

TurnId = NewType("TurnId", str)
SessionId = NewType("SessionId", str)
OutcomeId = NewType("OutcomeId", str)
SkillId = NewType("SkillId", str)

# A structure that a skill keeps between turns, serialised: the dialogue carries it and never looks inside.
SkillContext = NewType("SkillContext", bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarValue:
    """A stretch of the calendar: start and one past its end as RFC 3339, and how fine it was said ("day")."""

    start: str
    end: str
    grain: str


SlotValue = str | float | timedelta | CalendarValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One filled slot: its words as said and what they mean (None: nothing more than the words).

    Here and below, `added` is what a later contract has added to the message: carried on and never looked inside.
    """

    name: str
    text: str
    value: SlotValue | None = None
    added: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One meaning of an utterance.

    Attributes:
        intent: Qualified, "clock.get_time" or "assistant.stop".
        confidence: 0 to 1.
        slots: What was filled in.
        recognizer: What found it: "template", "fuzzy", …; "dialogue" for what the session completed.
        skill_version: Version of the skill whose sentences matched; empty when unknown.
        alternative_index: The recogniser's alternative that it was read from.
        added: By a later contract.
    """

    intent: str
    confidence: float = 1.0
    slots: tuple[Slot, ...] = ()
    recognizer: str = "template"
    skill_version: str = ""
    alternative_index: int = 0
    added: bytes = field(default=b"", repr=False)

    @property
    def skill(self) -> SkillId:
        """The part of the intent before its first dot."""
        return SkillId(self.intent.partition(".")[0])

    @property
    def intent_name(self) -> str:
        """The part of the intent behind its first dot."""
        return self.intent.partition(".")[2]

    def slot(self, name: str) -> Slot | None:
        """Return the slot of that name, if it is filled."""
        return next((slot for slot in self.slots if slot.name == name), None)

    def filled(self, *slots: Slot) -> Hypothesis:
        """Return the same meaning with slots added or replaced."""
        names = {slot.name for slot in slots}
        kept = tuple(slot for slot in self.slots if slot.name not in names)
        return replace(self, slots=kept + slots)


class Rejection(StrEnum):
    """Why the recogniser has no words."""

    NONE = "none"
    NO_SPEECH = "no_speech"
    NOT_FOR_US = "not_for_us"
    BAD_AUDIO = "bad_audio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one utterance gave: a ranking (which may be empty) or a rejection.

    Attributes:
        transcript: The words of the best alternative; empty when rejected.
        hypotheses: Best first.
        rejection: Why there are no words.
        error_code: Code of the error behind BAD_AUDIO, or of an earlier stage that failed; usually empty.
    """

    transcript: str = ""
    hypotheses: tuple[Hypothesis, ...] = ()
    rejection: Rejection = Rejection.NONE
    error_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn, as far as decisions depend on it.

    Attributes:
        turn_id: UUIDv7 made at the edge.
        household: The tenant.
        device: Serial number of the device.
        locale: BCP-47, as the turn says; it may be one that nobody here speaks.
        spoken: Whether the answer is played (a typed turn's is not).
        follows: The session that the microphone was reopened for, as the device says; None otherwise.
        deadline: By then the turn has its outcome. Aware.
    """

    turn_id: TurnId
    household: str
    device: str
    locale: str
    spoken: bool
    deadline: datetime
    follows: SessionId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Words the assistant speaks; key names the template they were made from."""

    text: str
    locale: str
    key: str = ""
    interruptible: bool = True
    added: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakDirective:
    """Speak the outcome's frames here."""

    text: str
    locale: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenDirective:
    """Reopen the microphone."""

    session_id: SessionId
    timeout: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMediaDirective:
    """Stop media and forget it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSpeechDirective:
    """Stop speaking an outcome."""

    outcome_id: OutcomeId


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRingDirective:
    """Stop ringing; an empty id: everything that rings."""

    occurrence_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillDirective:
    """A skill's own directive, serialised: carried as it came. speaks tells whether it is a Speak."""

    payload: bytes
    speaks: bool = False


Directive = (
    SpeakDirective | ListenDirective | StopMediaDirective | StopSpeechDirective | StopRingDirective | SkillDirective
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a turn was not answered: a stable code, one English sentence without names, the stage that refused."""

    code: str
    message: str
    stage: str = "dialogue"
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceShadow:
    """What is known of a device when "stop" has to be carried out."""

    media_playing: bool = False
    ringing: tuple[str, ...] = ()


Contexts = Mapping[SkillId, SkillContext]
