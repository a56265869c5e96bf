"""When a frame may leave. Pure: it is told the time and holds no clock.

Frames are sent ahead of what the device plays, so that a worker's death or a network's pause is not heard: at least
`lead_s`, and up to `burst_s` more, so that the sender wakes up once a burst and not once a frame.

    ahead = sent - played        sent: sound that left; played: time since the device began to play

                 lead + burst ┐        ┌┐        ┌┐
                              │╲      ╱ │╲      ╱ │       send until lead + burst, wait until lead
                         lead ┘  ╲__╱   ┘  ╲__╱   ┘

A sender that comes late (a slow engine, a later segment) starts a new count: the device has played all it had.
"""

from __future__ import annotations


class Pacer:
    """The pace of one device's playback of one outcome.

    Args:
        lead_s: Sound that the device has in hand at least.
        burst_s: Sound that is sent at once when it has no more than that.
    """

    def __init__(self, *, lead_s: float, burst_s: float) -> None:
        self._lead_s = lead_s
        self._burst_s = burst_s
        self._began: float | None = None
        self._sent_s = 0.0

    def ahead_s(self, now: float) -> float:
        """Return how much sound the device has in hand; never negative."""
        if self._began is None:
            return 0.0
        return max(0.0, self._sent_s - (now - self._began))

    def wait_s(self, now: float) -> float:
        """Return how long the next frame has to wait; 0.0: it may leave."""
        ahead = self.ahead_s(now)
        return ahead - self._lead_s if ahead >= self._lead_s + self._burst_s else 0.0

    def sent(self, now: float, duration_s: float) -> None:
        """Count a frame that left."""
        if self._began is None or self.ahead_s(now) == 0.0:
            self._began, self._sent_s = now, 0.0
        self._sent_s += duration_s
