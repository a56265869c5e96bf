"""The utterance as the device keeps it until the cloud has acknowledged its turn."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

DEFAULT_CAPACITY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedFrame:
    """One encoded frame of an utterance; `last` ends it."""

    sequence: int
    payload: bytes
    last: bool = False


class CaptureRing:
    """Frames of one utterance in order, bounded in bytes.

    Over its capacity it forgets the oldest frames: those are the first that the cloud will have acknowledged.
    4 MiB are two minutes of 16 kHz PCM. It is cleared when the turn has its outcome, not when frames are
    acknowledged: an acknowledged frame may be wanted again after the server that captured it is lost.
    """

    def __init__(self, capacity_bytes: int = DEFAULT_CAPACITY_BYTES) -> None:
        self._capacity = capacity_bytes
        self._frames: deque[CapturedFrame] = deque()
        self._bytes = 0
        self._next = 0
        self._acknowledged = 0
        self.lost_count = 0

    @property
    def next_sequence(self) -> int:
        """The sequence that the next frame will have; how many there have been."""
        return self._next

    @property
    def first_sequence(self) -> int:
        """The oldest frame that is still here; `next_sequence` when there is none."""
        return self._frames[0].sequence if self._frames else self._next

    @property
    def acknowledged(self) -> int:
        """The first frame that the cloud has not acknowledged."""
        return self._acknowledged

    @property
    def size_bytes(self) -> int:
        """Payload bytes held."""
        return self._bytes

    def append(self, payload: bytes, *, last: bool = False) -> CapturedFrame:
        """Number a frame, keep it and return it; the newest frame is kept whatever its size."""
        frame = CapturedFrame(sequence=self._next, payload=payload, last=last)
        self._next += 1
        self._frames.append(frame)
        self._bytes += len(payload)
        while self._bytes > self._capacity and len(self._frames) > 1:
            forgotten = self._frames.popleft()
            self._bytes -= len(forgotten.payload)
            if forgotten.sequence >= self._acknowledged:
                self.lost_count += 1
        return frame

    def acknowledge(self, next_sequence: int) -> None:
        """Note that the cloud has every frame below `next_sequence`; never goes back."""
        self._acknowledged = max(self._acknowledged, min(next_sequence, self._next))

    def since(self, sequence: int) -> tuple[CapturedFrame, ...]:
        """Return the frames from `sequence` on that are still here."""
        return tuple(frame for frame in self._frames if frame.sequence >= sequence)

    def clear(self) -> None:
        """Forget every frame; numbering goes on."""
        self._frames.clear()
        self._bytes = 0
