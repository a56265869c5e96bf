"""Frames of an answer put back in order. No I/O, no clock.

Frames come over a path that may lose, repeat and reorder them, and from workers that may be replaced half-way. An epoch
counts the deliveries of one segment, so it says nothing about another segment's: an owner is a segment and an epoch.

Within a segment, a frame of a lower epoch is dropped from where the higher epoch began, also when it is here already: an
engine whose output is not repeatable resumes with other samples. Before that point it is what the first worker captured
and the second one did not repeat, so a backfill may bring it with its old epoch. Segments follow each other: where a
later one has begun, whoever still speaks an earlier one has been replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from earshot_device.core.ids import OutcomeId
from earshot_device.core.outcome import SpeechFrame

_Owner = tuple[int, int]
"""Segment and epoch: the higher one wins."""

MAXIMUM_AHEAD = 20_000
"""Frames a buffer accepts beyond the one to play next: 6 to 13 minutes. What is further ahead is not an answer."""


class Added(StrEnum):
    """What became of a frame."""

    NEW = "new"
    DUPLICATE = "duplicate"
    STALE = "stale"
    FOREIGN = "foreign"
    OUT_OF_RANGE = "out_of_range"


class Gap(NamedTuple):
    """Missing frames: from `first` up to, not including, `end`."""

    first: int
    end: int


class SpeechBuffer:
    """Jitter buffer of one outcome."""

    def __init__(self, outcome_id: OutcomeId) -> None:
        self.outcome_id = outcome_id
        self.head = 0
        self.received_count = 0
        self.concealed_count = 0
        self._frames: dict[int, SpeechFrame] = {}
        self._begins: dict[_Owner, int] = {}
        self._end: int | None = None
        self._highest = -1
        self._last_segment = 0
        self._frame_s = 0.0

    @property
    def finished(self) -> bool:
        """Whether the last frame has been taken."""
        return self._end is not None and self.head >= self._end

    @property
    def complete(self) -> bool:
        """Whether every frame from the head to the last one is here."""
        return self._end is not None and all(n in self._frames for n in range(self.head, self._end))

    @property
    def next_unseen(self) -> int:
        """One past the highest frame that has been seen."""
        return self._highest + 1

    @property
    def ends(self) -> bool:
        """Whether the last frame has been seen."""
        return self._end is not None

    @property
    def ready_s(self) -> float:
        """Seconds of sound that can be played without a gap."""
        total, sequence = 0.0, self.head
        while (frame := self._frames.get(sequence)) is not None:
            total += frame.duration_s
            sequence += 1
        return total

    def add(self, frame: SpeechFrame) -> Added:
        """Take a frame from the network."""
        verdict = self._judge(frame)
        if verdict is not Added.NEW:
            return verdict
        begins = self._begins.get(_owner(frame))
        if begins is None or frame.sequence < begins:
            self._begin(frame)
        self._frames[frame.sequence] = frame
        self._highest = max(self._highest, frame.sequence)
        self._frame_s = self._frame_s or frame.duration_s
        self.received_count += 1
        if frame.last:
            self._end = frame.sequence + 1
        return verdict

    def _judge(self, frame: SpeechFrame) -> Added:
        if frame.outcome_id != self.outcome_id:
            return Added.FOREIGN
        if self._is_stale(frame):
            return Added.STALE
        if frame.sequence < self.head:
            return Added.DUPLICATE
        beyond = self.head + MAXIMUM_AHEAD if self._end is None else self._end
        if frame.sequence >= beyond:
            return Added.OUT_OF_RANGE
        held = self._frames.get(frame.sequence)
        if held is not None and _owner(held) >= _owner(frame):
            return Added.DUPLICATE
        return Added.NEW

    def _begin(self, first: SpeechFrame) -> None:
        owner = _owner(first)
        self._begins[owner] = first.sequence
        for sequence in [n for n in self._frames if n >= first.sequence and _owner(self._frames[n]) < owner]:
            if self._frames.pop(sequence).last:
                self._end = None
            self._highest = max(self._frames, default=self.head - 1)

    def _is_stale(self, frame: SpeechFrame) -> bool:
        owner = _owner(frame)
        return any(other > owner and frame.sequence >= begins for other, begins in self._begins.items())

    def peek(self) -> SpeechFrame | None:
        """Return the frame to play next; None while it is missing."""
        return self._frames.get(self.head)

    def take(self) -> SpeechFrame:
        """Remove and return the frame to play next.

        Raises:
            KeyError: It is missing.
        """
        frame = self._frames.pop(self.head)
        self.head += 1
        self._last_segment = frame.segment_index
        return frame

    def conceal(self) -> float:
        """Give the missing next frame up; return how long it would have lasted, in seconds."""
        self.head += 1
        self.concealed_count += 1
        return self._frame_s

    def gaps(self) -> Iterator[Gap]:
        """Yield the ranges that are missing below the highest frame seen, lowest first."""
        sequence = self.head
        while sequence <= self._highest:
            if sequence in self._frames:
                sequence += 1
                continue
            first = sequence
            while sequence not in self._frames:
                sequence += 1
            yield Gap(first, sequence)


def _owner(frame: SpeechFrame) -> _Owner:
    return (frame.segment_index, frame.owner_epoch)
