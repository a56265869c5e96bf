"""What a handler gives back, and what it can make a device do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Words that the assistant speaks.

    Attributes:
        text: Plain text in the locale's own writing.
        locale: BCP-47.
        key: The skill's id and the response's key, "clock.time_in".
        interruptible: Whether a barge-in may cut it short.
    """

    text: str
    locale: str
    key: str
    interruptible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaItem:
    """One thing to play.

    Attributes:
        item_id: Stable id within its queue.
        url: HTTP, with range requests.
        media_type: "audio/flac".
        title: For displays.
        artist: For displays.
        start: Where to begin.
        duration: Length, when known.
    """

    item_id: str
    url: str
    media_type: str
    title: str = ""
    artist: str = ""
    start: timedelta = timedelta(0)
    duration: timedelta | None = None


class PlayBehavior(StrEnum):
    """What Play does with what is playing."""

    REPLACE_ALL = "replace_all"
    ENQUEUE = "enqueue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Play media, in order."""

    items: tuple[MediaItem, ...]
    behavior: PlayBehavior = PlayBehavior.REPLACE_ALL


@dataclass(frozen=True, slots=True)
class Speak:
    """Marks where among the directives the prompts are spoken; without it they come first."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Pause media."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Resume media."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop media and forget it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVolume:
    """Set the volume to a percentage."""

    percent: int

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= 100:
            raise ValueError("a volume is 0 to 100 per cent")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeVolume:
    """Add to the present volume, in percentage points; the device keeps it within 0 to 100."""

    delta_percent: int


Directive = Play | Speak | Pause | Resume | Stop | SetVolume | ChangeVolume


class Effect(StrEnum):
    """What became of the effect of a call."""

    NONE = "none"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A segment of the answer.

    Attributes:
        prompts: What to say; may be empty when directives are enough.
        directives: What to do, in order.
        final: Whether it is the last segment.
        expects_reply: Reopen the microphone afterwards.
        context: What to keep for the session's next turn, as JSON values; None: keep nothing. Final segment only.
        effect: Whether the effect of the call happened.
    """

    prompts: tuple[Prompt, ...] = ()
    directives: tuple[Directive, ...] = ()
    final: bool = True
    expects_reply: bool = False
    context: Mapping[str, Any] | None = field(default=None, hash=False)
    effect: Effect = Effect.NONE

    def followed_by(self, *prompts: Prompt) -> Answer:
        """Return the same answer with more to say at its end."""
        return replace(self, prompts=(*self.prompts, *prompts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A slot is missing; ends the call."""

    slot_name: str
    prompt: Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
    """Words that bridge a wait; not an answer."""

    prompt: Prompt


Reply = Answer | Question
Step = Answer | Question | Filler
