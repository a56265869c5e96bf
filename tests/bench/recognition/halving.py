"""Which recordings tuning may see, and which are kept for the figures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.recognition.clips import Clip, Recordings
from bench.recognition.saying import Half
from bench.recognition.talkers import talkers

_SOURCE = re.compile(r"[_.]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The recordings of one half."""

    commands: list[Clip]
    other: list[Clip]


def chosen(recordings: Recordings, half: Half) -> Chosen:
    """Return one half of the recordings.

    Commands are halved by who they sound like (`talkers`), wake words by the word, other speech by the project that it
    comes from: what is reported shares neither talkers nor sentences with what was tuned on, as far as can be told.
    """
    side = 0 if half == "tune" else 1
    return Chosen(
        commands=halves(recordings.commands, talkers(recordings.commands))[side],
        other=halves(recordings.other, _sources(recordings.other))[side],
    )


def halves(clips: Sequence[Clip], groups: Iterable[int]) -> tuple[list[Clip], list[Clip]]:
    """Return clips in two about equal halves; a group is in one of them only."""
    members: dict[int, list[Clip]] = {}
    for clip, group in zip(clips, groups, strict=True):
        members.setdefault(group, []).append(clip)
    sides: tuple[list[Clip], list[Clip]] = ([], [])
    # Large groups first, so that the small ones even the sides out.
    for _, clips_of in sorted(members.items(), key=lambda item: (-len(item[1]), item[1][0].name)):
        min(sides, key=len).extend(clips_of)
    return sorted(sides[0], key=lambda clip: clip.name), sorted(sides[1], key=lambda clip: clip.name)


def _sources(clips: Sequence[Clip]) -> list[int]:
    names = [
        clip.path.parent.name if clip.name.startswith("wake/") else _SOURCE.split(clip.path.name)[0] for clip in clips
    ]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return [numbers[name] for name in names]
