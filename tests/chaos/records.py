"""What a run leaves behind: turns as their devices heard them, effects as outside servers saw them, faults as inflicted.

Times are seconds of the driver's monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chaos.sounding import Sound


class Guarantee(StrEnum):
    """What a skill promises of its effect; the names are those of its manifest."""

    EXACTLY_ONCE = "exactly_once"
    AT_MOST_ONCE = "at_most_once"
    AT_LEAST_ONCE = "at_least_once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a turn should come to.

    Attributes:
        answer: The sentences of the right answer, as they are spoken.
        effect: Key under which outside servers should see its effect; empty: it has none.
        guarantee: What its skill promises of the effect.
    """

    answer: tuple[str, ...]
    effect: str = ""
    guarantee: Guarantee = Guarantee.EXACTLY_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn, as its device heard it.

    Attributes:
        device: Who spoke.
        turn_id: Its id; empty where the device never said.
        said: The template that was said.
        expected: What it should come to.
        began_at: When the user began to speak.
        spoken_at: When the user had finished; None if the device stopped listening before.
        sounded_at: When the first sound came; None: none did.
        ended_at: When the device was done with the turn; None: it never was.
        sounds: Everything that was heard until the device's next turn.
        note: What the device says of it, for people.
    """

    device: str
    turn_id: str
    said: str
    expected: Expectation
    began_at: float
    spoken_at: float | None
    sounded_at: float | None
    ended_at: float | None
    sounds: tuple[Sound, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflicted:
    """A fault that happened.

    Attributes:
        kind: "kill", "freeze", …
        stage: What it hit: "asr", "device", "bus", …
        target: Which of them, for people.
        forgives: Whether turns may be apologised for: more than one process was gone at the same time, or leaders were
            elected twice in a row.
        began_at: When.
        recovered_at: When everything worked again, as far as readiness tells.
    """

    kind: str
    stage: str
    target: str
    forgives: bool
    began_at: float
    recovered_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One effect that an outside server saw; `key` names the turn that wanted it."""

    key: str
    at: float
