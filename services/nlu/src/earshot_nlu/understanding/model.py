"""What is understood and what comes of it: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

SkillId = NewType("SkillId", str)
IntentName = NewType("IntentName", str)


class SlotKind(StrEnum):
    """What a slot's words are read as."""

    TEXT = "text"
    NUMBER = "number"
    DURATION = "duration"
    DATE_TIME = "date_time"


class Grain(StrEnum):
    """How finely a moment was said."""

    YEAR = "year"
    MONTH = "month"
    WEEK = "week"
    DAY = "day"
    HOUR = "hour"
    MINUTE = "minute"
    SECOND = "second"


class Recognizer(StrEnum):
    """What found a hypothesis."""

    TEMPLATE = "template"
    FUZZY = "fuzzy"
    STATISTICAL = "statistical"


@dataclass(frozen=True, slots=True, kw_only=True)
class DateTimeSpan:
    """A stretch of the calendar in the user's time zone.

    Attributes:
        start: First moment, with the zone's offset.
        end: One past the last moment.
        grain: How finely it was said.
    """

    start: datetime
    end: datetime
    grain: Grain


SlotValue = str | float | timedelta | DateTimeSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One reading of the audio; confidence 0 to 1, 0 where the recogniser told none."""

    transcript: str
    confidence: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """Words to understand.

    Attributes:
        alternatives: Best first.
        locale: BCP-47.
        time_zone: IANA; empty: UTC.
        reference_time: When it was said, with a zone.
        context: What templates may require (`requires_context`), such as the room of the device.
    """

    alternatives: tuple[Alternative, ...]
    locale: str
    time_zone: str
    reference_time: datetime
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One filled slot: its words as they were said (empty when the template implied it) and what they mean."""

    name: str
    text: str
    value: SlotValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One meaning.

    Attributes:
        intent: "<skill>.<intent>".
        confidence: 0 to 1.
        slots: In the order in which they were said.
        recognizer: What found it.
        alternative_index: The alternative it was read from.
        skill_version: Version of the skill whose sentences matched.
    """

    intent: IntentName
    confidence: float
    slots: tuple[Slot, ...]
    recognizer: Recognizer
    alternative_index: int
    skill_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpretation:
    """Ranked meanings, best first; empty: nothing that is registered means this.

    `transcript` is the alternative that the first hypothesis was read from, or else the first one.
    """

    hypotheses: tuple[Hypothesis, ...]
    transcript: str
    registry_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillWords:
    """One skill version's words in one locale.

    Attributes:
        skill_id: "clock".
        version: SemVer.
        locale: BCP-47.
        sentences_yaml: Templates in hassil's format; intent names without the skill's id.
        slot_kinds: Intent to slot to kind, as the skill declares them.
    """

    skill_id: SkillId
    version: str
    locale: str
    sentences_yaml: str
    slot_kinds: Mapping[str, Mapping[str, SlotKind]] = field(default_factory=dict)
