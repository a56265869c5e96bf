"""Where a segment begins: which sequence its first frame has, and which of its frames others have sent already.

An outcome's segments are messages of their own, and any worker may get any of them. Sequences go on across segments,
so a segment waits until the one before it that spoke has been sent to its end:

    spoken here     this worker knows
    elsewhere       the capture stream tells: a frame says that it is the last of its segment

A segment before it that does not move for `stall_s` is given up: this one goes on behind what there is of it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from earshot_chassis import telemetry
from earshot_topology.subjects import DeviceAddress
from earshot_tts.captured import CapturedFrame, CapturedOutcome
from earshot_tts.pacing import Pacer
from earshot_tts.requests import OutcomeId, SpeechRequest

_POLL_S = 0.05
_REMEMBERED = 4096
_log = telemetry.logger("tts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Where to begin.

    Attributes:
        first_sequence: Of the segment's first frame.
        resume_at: First frame that is to be sent; those below it were sent by another worker.
        complete: Whether all of the segment has been sent.
        pacer: Pace of the segment before it, where this worker spoke it.
    """

    first_sequence: int
    resume_at: int
    complete: bool = False
    pacer: Pacer | None = None


class CaptureReader(Protocol):
    """Reads the frames that were sent to a device in a turn, each one once."""

    async def read(self) -> Sequence[CapturedFrame]:
        """Return the frames that have been captured since the last call."""


SpeakingSegments = Callable[[SpeechRequest], Awaitable[Sequence[int]]]
"""Tells which segments of the request's outcome, before the request's, have something to say."""


class SegmentBeginnings:
    """Finds where segments begin.

    Args:
        reader: Opens a capture reader.
        speaking_segments: Reads the outcome's earlier segments.
        is_speaking: Whether this worker is speaking a segment of the request's outcome.
        stall_s: How long a segment waits for one that does not move.
    """

    def __init__(
        self,
        *,
        reader: Callable[[SpeechRequest], CaptureReader],
        speaking_segments: SpeakingSegments,
        is_speaking: Callable[[SpeechRequest, int], bool],
        stall_s: float,
    ) -> None:
        self._reader = reader
        self._speaking_segments = speaking_segments
        self._is_speaking = is_speaking
        self._stall_s = stall_s
        self._ends: OrderedDict[tuple[DeviceAddress, OutcomeId, int], tuple[int, Pacer]] = OrderedDict()

    def ended(self, request: SpeechRequest, next_sequence: int, pacer: Pacer) -> None:
        """Remember that this worker has sent a segment to its end."""
        if request.final:
            return
        self._ends[request.address, request.outcome_id, request.segment_index] = (next_sequence, pacer)
        while len(self._ends) > _REMEMBERED:
            self._ends.popitem(last=False)

    async def find(self, request: SpeechRequest, *, deterministic: bool) -> Beginning:
        """Return where a segment begins; waits for the segment before it.

        Raises:
            RetryableError: The capture can't be read.
        """
        if request.segment_index == 0 and request.owner_epoch == 1:
            return Beginning(first_sequence=0, resume_at=0)
        if request.owner_epoch == 1 and (here := self._ended_here(request, request.segment_index - 1)):
            return here
        reader = self._reader(request)
        captured = CapturedOutcome(request.outcome_id)
        captured.add(await reader.read())
        if captured.end_of(request.segment_index) is not None:
            return Beginning(first_sequence=0, resume_at=0, complete=True)
        if not deterministic and captured.next_in(request.segment_index) is not None:
            # Samples that can't be made again: the segment is spoken again from its start.
            return Beginning(first_sequence=captured.next_sequence, resume_at=captured.next_sequence)
        first = await self._first(request, reader, captured)
        sent = captured.next_in(request.segment_index)
        if sent is None or sent < first.first_sequence:
            return first
        return Beginning(first_sequence=first.first_sequence, resume_at=sent)

    def _ended_here(self, request: SpeechRequest, segment_index: int) -> Beginning | None:
        end = self._ends.get((request.address, request.outcome_id, segment_index))
        return Beginning(first_sequence=end[0], resume_at=end[0], pacer=end[1]) if end else None

    async def _first(self, request: SpeechRequest, reader: CaptureReader, captured: CapturedOutcome) -> Beginning:
        if request.segment_index == 0:
            return Beginning(first_sequence=0, resume_at=0)
        earlier = await self._speaking_segments(request)
        if not earlier:
            # A last segment that says nothing, after others that said nothing: there is no playback to end.
            return Beginning(first_sequence=0, resume_at=0, complete=not request.texts)
        previous = max(earlier)
        loop = asyncio.get_running_loop()
        moved, seen = loop.time(), len(captured)
        while True:
            if here := self._ended_here(request, previous):
                return here
            if (end := captured.end_of(previous)) is not None:
                return Beginning(first_sequence=end, resume_at=end)
            if self._is_speaking(request, previous) or len(captured) != seen:
                moved, seen = loop.time(), len(captured)
            elif loop.time() - moved > self._stall_s:
                _log.warning("earlier_segment_stalled", segment=previous)
                return Beginning(first_sequence=captured.next_sequence, resume_at=captured.next_sequence)
            await asyncio.sleep(_POLL_S)
            if not self._is_speaking(request, previous):
                captured.add(await reader.read())
