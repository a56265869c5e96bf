"""Whom a user waited for, from the end of speech to first audio: every moment of it belongs to one stage. Pure.

    end of speech ─── silence ─ recognition ─ queue ─ understanding ─ dialogue ─ skill ─ synthesis ─┬─ device ─── first audio
                                                                                            first frame

Where spans overlap, the stage that comes first below counts: what a skill streams while its first words are being spoken was not
waited for. What no span covers is a queue, or the bus. Behind the first frame the device alone is waited for: frames that leave at the
pace of playback (`tts.pace`) are nobody's wait.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from earshot_topology import attributes
from earshot_topology.streams import ASR_STARTED, DIALOGUE_INTERPRETED, NLU_TRANSCRIBED
from earshot_tracestore.model import Span, Turn

_FIRST_FRAME: Final = "tts.first_frame"
# Less than anybody hears, and than clocks of several machines agree on.
_LEAST_S: Final = 0.005


class Stage(StrEnum):
    """Who is waited for."""

    SILENCE = "silence"
    RECOGNITION = "recognition"
    UNDERSTANDING = "understanding"
    DIALOGUE = "dialogue"
    SKILL = "skill"
    SYNTHESIS = "synthesis"
    DEVICE = "device"
    LOST = "lost attempts"
    QUEUE = "queues"


# By a span's name; the first that is there at a moment counts.
_STAGES: Final = (
    ("tts.synthesize", Stage.SYNTHESIS),
    ("earshot.skill.v1.Skill/Handle", Stage.SKILL),
    ("dialogue.decide", Stage.DIALOGUE),
    (f"{DIALOGUE_INTERPRETED.event} process", Stage.DIALOGUE),
    ("nlu.interpret", Stage.UNDERSTANDING),
    (f"{NLU_TRANSCRIBED.event} process", Stage.UNDERSTANDING),
    ("asr.silence", Stage.SILENCE),
    ("asr.decode", Stage.RECOGNITION),
    ("asr.recognize", Stage.RECOGNITION),
    (f"{ASR_STARTED.event} process", Stage.RECOGNITION),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long a stage was waited for."""

    stage: Stage
    seconds: float


def waits(turn: Turn, spans: Sequence[Span]) -> list[Wait]:
    """Return whom the user of a turn waited for, in the order of its stages; empty where nothing was heard, or is known."""
    waited_s, heard_ns = turn.first_audio_s, turn.fact.first_audio_ns
    if waited_s is None or heard_ns is None or not spans:
        return []
    begin_ns = heard_ns - int(waited_s * 1e9)
    left_ns = min((*_first_frames(spans), heard_ns))
    named = [(stage, found) for name, stage in _STAGES for found in _intervals(spans, name)]
    named += [(Stage.LOST, (span.start_ns, span.end_ns)) for span in spans if _lost(span)]
    edges = {begin_ns, left_ns, heard_ns} | {edge for _, interval in named for edge in interval}
    inside = sorted(edge for edge in edges if begin_ns <= edge <= heard_ns)
    told: dict[Stage, int] = {}
    for start, end in itertools.pairwise(inside):
        stage = Stage.DEVICE if start >= left_ns else _waited_for(start, end, named)
        told[stage] = told.get(stage, 0) + end - start
    return [Wait(stage=stage, seconds=told[stage] / 1e9) for stage in Stage if told.get(stage, 0) / 1e9 >= _LEAST_S]


def _waited_for(start: int, end: int, named: Iterable[tuple[Stage, tuple[int, int]]]) -> Stage:
    return next((stage for stage, (began, ended) in named if began <= start and end <= ended), Stage.QUEUE)


def _intervals(spans: Sequence[Span], name: str) -> list[tuple[int, int]]:
    return [(span.start_ns, span.end_ns) for span in spans if span.name == name and not _lost(span)]


def _lost(span: Span) -> bool:
    return bool(span.attributes.get(attributes.RECONSTRUCTED)) and span.status == "error" and bool(span.parent_span_id)


def _first_frames(spans: Sequence[Span]) -> list[int]:
    return [int(event["time_ns"]) for span in spans for event in span.events if event.get("name") == _FIRST_FRAME]
