"""When to ask for speech frames again. No I/O; the caller passes the time in.

A gap below a frame that has come is asked for after a moment's grace, in which frames that were only reordered arrive.
When nothing comes at all, everything behind the last frame is asked for: the end may be what was lost. Asking is cheap
(the frames are captured), but not free, so the same thing is asked for at growing intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

from earshot_device.core.speech_buffer import Gap, SpeechBuffer

OPEN_END = 0
"""`end` of a request for everything from its first frame on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MendTimings:
    """Seconds."""

    gap_grace_s: float = 0.06
    tail_grace_s: float = 0.7
    retry_s: float = 0.3
    retry_limit_s: float = 2.0


class Mender:
    """Decides what to ask for, from what a buffer lacks."""

    def __init__(self, buffer: SpeechBuffer, timings: MendTimings, *, now: float) -> None:
        self._buffer = buffer
        self._timings = timings
        self._quiet_since = now
        self._received = buffer.received_count
        self._gap: Gap | None = None
        self._gap_since = now
        self._ask_again_at = now
        self._interval_s = timings.retry_s

    def next_request(self, now: float) -> Gap | None:
        """Return what to ask for now, if anything; `end` is OPEN_END for "all there is"."""
        if self._buffer.received_count != self._received:
            self._received = self._buffer.received_count
            self._quiet_since = now
            self._interval_s = self._timings.retry_s
        gap = next(self._buffer.gaps(), None)
        if gap != self._gap:
            self._gap, self._gap_since, self._ask_again_at = gap, now, now
        wanted = gap if gap is not None else self._tail()
        due = self._gap_since + self._timings.gap_grace_s if gap else self._quiet_since + self._timings.tail_grace_s
        if wanted is None or now < due or now < self._ask_again_at:
            return None
        self._ask_again_at = now + self._interval_s
        self._interval_s = min(self._interval_s * 2, self._timings.retry_limit_s)
        return wanted

    def _tail(self) -> Gap | None:
        return None if self._buffer.ends else Gap(self._buffer.next_unseen, OPEN_END)
