"""What may be many: told or kept now and then, and counted. Pure, but for the clock.

Whoever sends rubbish sends a lot of it. Some of it is worth a place and a line, so that people see what it is; all of it is
worth a number.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


class TokenBucket:
    """Lets a burst through, and then so many a second.

    Args:
        rate: Tokens that come back in a second.
        burst: Tokens that it holds at most, and at first.
        clock: Seconds, monotonic.
    """

    def __init__(self, rate: float, burst: float, clock: Clock = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at = clock()

    def take(self) -> bool:
        """Take a token; False where there is none."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Seldom:
    """Tells at most once in an interval that something happened, and how often it has since it was told last.

    Args:
        interval_s: The interval.
        clock: Seconds, monotonic.
    """

    def __init__(self, interval_s: float = 1.0, clock: Clock = time.monotonic) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._told_at = float("-inf")
        self._happened = 0

    def happened(self) -> int:
        """Note that it happened; return how often it has, if that is to be told now, else 0."""
        self._happened += 1
        now = self._clock()
        if now - self._told_at < self._interval_s:
            return 0
        self._told_at = now
        times, self._happened = self._happened, 0
        return times
