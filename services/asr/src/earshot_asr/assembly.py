"""Frames into the order in which they were spoken.

Frames arrive live, by backfill and by repair, in any order and more than once. The assembler knows nothing of where
they came from: it hands out each sequence number once, without a hole, until the device's last frame.

    add ──► ready (contiguous) ──► take
       └──► waiting (behind a gap) ──► ready, when the gap is filled or given up
"""

from __future__ import annotations

from earshot_asr.limits import DEFAULT_LIMITS, Limits

Frame = bytes | None
"""A frame's payload; None stands for a frame that was given up and is heard as silence."""


class Assembler:
    """Puts the frames of one utterance in order.

    Attributes:
        accepted_bytes: Bytes of all frames that were accepted.
        taken_bytes: Bytes of those that were taken. Who sends faster than real time has others waiting, which may be
            behind the utterance's end.
        is_too_large: Whether there are more bytes than one utterance may have, behind all that was taken.
        next_sequence: The first frame that is still missing.
        last_sequence: The device's last frame, once it is known.
        refused: How many frames broke a limit and were dropped.
        concealed: How many frames were given up.
    """

    __slots__ = (
        "_limits",
        "_ready",
        "_waiting",
        "_waiting_bytes",
        "accepted_bytes",
        "concealed",
        "is_too_large",
        "last_sequence",
        "next_sequence",
        "refused",
        "taken_bytes",
    )

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._ready: list[Frame] = []
        self._waiting: dict[int, bytes] = {}
        self._waiting_bytes = 0
        self.accepted_bytes = 0
        self.taken_bytes = 0
        self.is_too_large = False
        self.next_sequence = 0
        self.last_sequence: int | None = None
        self.refused = 0
        self.concealed = 0

    @property
    def has_gap(self) -> bool:
        """Whether frames wait for one that is missing."""
        return bool(self._waiting)

    @property
    def is_ready(self) -> bool:
        """Whether `take` has something to give."""
        return bool(self._ready)

    @property
    def is_complete(self) -> bool:
        """Whether every frame up to the device's last one is there."""
        return self.last_sequence is not None and self.next_sequence > self.last_sequence

    def add(self, sequence: int, payload: bytes, *, last: bool = False) -> bool:
        """Accept one frame; a frame that is known or lies behind the last one is ignored.

        Args:
            sequence: Its place, from 0.
            payload: Its samples.
            last: Whether the device says that none follows.

        Returns:
            Whether there is more to take than before.
        """
        if sequence < self.next_sequence or sequence in self._waiting:
            return False
        size = len(payload)
        limits = self._limits
        if size > limits.frame_bytes or self._waiting_bytes + size > limits.waiting_bytes or sequence >= limits.frames:
            self.refused += 1
            return False
        if self.last_sequence is not None and sequence > self.last_sequence:
            return False
        if last:
            self._end_at(sequence)
        if sequence > self.next_sequence:
            if len(self._waiting) >= limits.waiting_frames:
                self.refused += 1
                return False
            self._waiting[sequence] = payload
            self._waiting_bytes += size
            self.accepted_bytes += size
            return False
        self._waiting_bytes += size
        self.accepted_bytes += size
        self._ready.append(payload)
        self.next_sequence = sequence + 1
        if self._waiting:
            self._advance()
        return True

    def take(self) -> list[Frame]:
        """Return the frames that have become contiguous since the last call, in order, as far as one utterance may go.

        What is heard of too much is thus the same, however fast it came.
        """
        taken, self._ready = self._ready, []
        for number, frame in enumerate(taken):
            if frame is not None:
                if self.taken_bytes + len(frame) > self._limits.bytes:
                    self.is_too_large = True
                    return taken[:number]
                self._waiting_bytes -= len(frame)
                self.taken_bytes += len(frame)
        return taken

    def give_up_gap(self) -> int:
        """Put silence in the place of the frames that are missing now; return how many they are."""
        if not self._waiting:
            return 0
        found = min(self._waiting)
        missing = found - self.next_sequence
        # A sequence far ahead must not become hours of silence.
        self._ready.extend([None] * min(missing, self._limits.waiting_frames))
        self.next_sequence = found
        self.concealed += missing
        self._advance()
        return missing

    def _end_at(self, sequence: int) -> None:
        self.last_sequence = sequence
        for beyond in [waiting for waiting in self._waiting if waiting > sequence]:
            self._waiting_bytes -= len(self._waiting.pop(beyond))

    def _advance(self) -> None:
        waiting = self._waiting
        sequence = self.next_sequence
        while (payload := waiting.pop(sequence, None)) is not None:
            self._ready.append(payload)
            sequence += 1
        self.next_sequence = sequence
