"""What the capture stream tells about an outcome's frames. Pure.

Several workers may have sent frames of one outcome: the one that died, the one that took over, and one that was frozen
and woke up. Of these, a device plays each epoch up to where the next one began. The same is done here, so that a third
worker goes on from where the device really is. A frame that was sent again for a device that missed it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from earshot_tts.requests import OutcomeId


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedFrame:
    """A frame as it was sent.

    Attributes:
        outcome_id: Whose frame.
        segment_index: Its segment.
        sequence: Its place in the outcome.
        owner_epoch: Who sent it.
        segment_last: Whether its segment ends with it.
        encoded: The whole message.
    """

    outcome_id: OutcomeId
    segment_index: int
    sequence: int
    owner_epoch: int
    segment_last: bool
    encoded: bytes


class CapturedOutcome:
    """The frames of one outcome, as a device that missed none would have them."""

    def __init__(self, outcome_id: OutcomeId) -> None:
        self._outcome_id = outcome_id
        self._all: list[CapturedFrame] = []
        self._valid: dict[int, CapturedFrame] | None = None

    def __len__(self) -> int:
        return len(self._all)

    def add(self, frames: Iterable[CapturedFrame]) -> None:
        """Take frames in the order of the stream; those of other outcomes are left out."""
        self._all += [frame for frame in frames if frame.outcome_id == self._outcome_id]
        self._valid = None

    @property
    def frames(self) -> dict[int, CapturedFrame]:
        """The frame that counts, for each sequence."""
        if self._valid is None:
            self._valid = self._choose()
        return self._valid

    @property
    def next_sequence(self) -> int:
        """One past the highest frame; 0 where there is none."""
        return max(self.frames, default=-1) + 1

    def next_in(self, segment_index: int) -> int | None:
        """Return one past the highest frame of a segment; None where it has none."""
        numbers = [n for n, frame in self.frames.items() if frame.segment_index == segment_index]
        return max(numbers) + 1 if numbers else None

    def end_of(self, segment_index: int) -> int | None:
        """Return one past a segment's last frame; None where that was not sent."""
        for number, frame in self.frames.items():
            if frame.segment_index == segment_index and frame.segment_last:
                return number + 1
        return None

    def _choose(self) -> dict[int, CapturedFrame]:
        # Epochs count deliveries of one segment's message, so they are compared within a segment.
        begins: dict[tuple[int, int], int] = {}
        for frame in self._all:
            owner = (frame.segment_index, frame.owner_epoch)
            begins[owner] = min(begins.get(owner, frame.sequence), frame.sequence)
        chosen: dict[int, CapturedFrame] = {}
        for frame in self._all:
            overtaken = any(
                segment == frame.segment_index and epoch > frame.owner_epoch and frame.sequence >= begin
                for (segment, epoch), begin in begins.items()
            )
            if not overtaken:
                chosen[frame.sequence] = frame
        return chosen
