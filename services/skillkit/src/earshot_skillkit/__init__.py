"""The skill runtime: manifest, sentences, responses, registration, the Skill servicer.

A skill imports from here and from nowhere else in Earshot; README.md is the guide.
"""

from __future__ import annotations

from earshot_skillkit.errors import (
    BrokenManifestError,
    BrokenResponseError,
    BrokenSkillError,
    EffectRefusedError,
    EffectUnknownError,
    InvalidSlotError,
    SourceUnavailableError,
    StateConflictError,
    StateUnavailableError,
)
from earshot_skillkit.package import SkillPackage, load_folder, load_package, with_lists
from earshot_skillkit.replies import (
    Answer,
    ChangeVolume,
    Directive,
    Effect,
    Filler,
    MediaItem,
    Pause,
    Play,
    PlayBehavior,
    Prompt,
    Question,
    Reply,
    Resume,
    SetVolume,
    Speak,
    Step,
    Stop,
)
from earshot_skillkit.request import DeviceState, FilledSlot, Request, SlotValue, Span
from earshot_skillkit.runtime import run
from earshot_skillkit.skill import Host, Skill, intent
from earshot_skillkit.states import MemoryStates, States
from earshot_skillkit.tracing import request_span

__all__ = [
    "Answer",
    "BrokenManifestError",
    "BrokenResponseError",
    "BrokenSkillError",
    "ChangeVolume",
    "DeviceState",
    "Directive",
    "Effect",
    "EffectRefusedError",
    "EffectUnknownError",
    "FilledSlot",
    "Filler",
    "Host",
    "InvalidSlotError",
    "MediaItem",
    "MemoryStates",
    "Pause",
    "Play",
    "PlayBehavior",
    "Prompt",
    "Question",
    "Reply",
    "Request",
    "Resume",
    "SetVolume",
    "Skill",
    "SkillPackage",
    "SlotValue",
    "SourceUnavailableError",
    "Span",
    "Speak",
    "StateConflictError",
    "StateUnavailableError",
    "States",
    "Step",
    "Stop",
    "intent",
    "load_folder",
    "load_package",
    "request_span",
    "run",
    "with_lists",
]
