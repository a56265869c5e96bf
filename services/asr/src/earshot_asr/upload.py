"""How an upload is doing: when to acknowledge, when to look for what is missing, when to give up. Pure, told the time.

    frames missing ── repair_after_s ──► repair ── twice as long ──► repair ── … ── give_up_s ──► give up
    nothing at all ── repair_after_s ──► repair ── twice as long ──► repair ── … ── lost_s ─────► lost

Repairs become rarer because a stall is often an overloaded bus, which more reads would not help.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRules:
    """Seconds.

    Attributes:
        acknowledge_s: How often the device is told what the cloud has.
        repair_after_s: How long a frame may be missing before the capture is asked for it.
        give_up_s: How long it may be missing, while later ones are there, before silence takes its place: a device that was away sends it again.
        lost_s: How long no frame may come before the audio counts as lost. Longer than a device is waited for by anybody.
        longest_s: How long an upload may take, however slowly its frames drip in.
    """

    acknowledge_s: float = 0.5
    repair_after_s: float = 0.5
    give_up_s: float = 5.0
    lost_s: float = 30.0
    longest_s: float = 60.0


class UploadAction(Enum):
    """What is due."""

    REPAIR = auto()
    GIVE_UP_GAP = auto()
    LOST = auto()


class UploadMonitor:
    """Watches one upload; asked now and then what is due."""

    __slots__ = (
        "_acknowledged",
        "_acknowledged_at",
        "_began_at",
        "_gap_at",
        "_progress_at",
        "_repair_at",
        "_rules",
        "_sequence",
        "_wait",
    )

    def __init__(self, rules: UploadRules, now: float) -> None:
        self._rules = rules
        self._sequence = 0
        self._began_at = now
        self._progress_at = now
        self._gap_at: float | None = None
        self._repair_at = now + rules.repair_after_s
        self._wait = rules.repair_after_s
        self._acknowledged = 0
        self._acknowledged_at = now

    def check(self, now: float, next_sequence: int, *, has_gap: bool) -> UploadAction | None:
        """Return what is due.

        Args:
            now: Seconds of a monotonic clock.
            next_sequence: First missing frame.
            has_gap: Whether later frames are there.
        """
        rules = self._rules
        if now - self._began_at >= rules.longest_s:
            return UploadAction.LOST
        if next_sequence != self._sequence:
            self._sequence = next_sequence
            self._progress_at = now
            self._gap_at = now if has_gap else None
            self._wait = rules.repair_after_s
            self._repair_at = now + self._wait
            return None
        stalled = now - self._progress_at
        if has_gap and self._gap_at is None:
            # Of a device that was away, the rest is on its way only now.
            self._gap_at = now
        if has_gap and self._gap_at is not None and now - self._gap_at >= rules.give_up_s:
            return UploadAction.GIVE_UP_GAP
        if not has_gap and stalled >= rules.lost_s:
            return UploadAction.LOST
        if now >= self._repair_at:
            self._wait *= 2
            self._repair_at = now + self._wait
            return UploadAction.REPAIR
        return None

    def acknowledgement(self, now: float, next_sequence: int) -> int | None:
        """Return the sequence to acknowledge, if it is time and there is something new."""
        if next_sequence == self._acknowledged or now - self._acknowledged_at < self._rules.acknowledge_s:
            return None
        self._acknowledged = next_sequence
        self._acknowledged_at = now
        return next_sequence
