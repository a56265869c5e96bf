"""The pace of sound: real time, a multiple of it, or as fast as it goes."""

from __future__ import annotations

import asyncio
import math

REAL_TIME = 1.0
AS_FAST_AS_POSSIBLE = math.inf

_IDLE_S = 0.25
"""Later than this, a stream has paused rather than slipped, and its time starts anew."""


class Pacer:
    """Waits as long as sound lasts, without adding up the errors of single waits.

    Args:
        speed: Seconds of sound a second: REAL_TIME, a multiple for simulations, or AS_FAST_AS_POSSIBLE.
    """

    def __init__(self, speed: float = REAL_TIME) -> None:
        if not speed > 0:
            message = f"speed must be positive, not {speed}"
            raise ValueError(message)
        self.speed = speed
        self._due: float | None = None

    async def wait(self, seconds: float) -> None:
        """Wait until `seconds` of sound have passed since the last call's end."""
        if math.isinf(self.speed):
            await asyncio.sleep(0)
            return
        now = asyncio.get_running_loop().time()
        begin = self._due if self._due is not None and now - self._due < _IDLE_S else now
        self._due = begin + seconds / self.speed
        await asyncio.sleep(max(0.0, self._due - now))

    def restart(self) -> None:
        """Let the next call count from its own beginning."""
        self._due = None
