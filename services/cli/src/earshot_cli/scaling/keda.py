"""What KEDA itself decides: whether there is anything at all. How much of it there is, it tells the HorizontalPodAutoscaler.

KEDA looks every pollingInterval, which decides nothing for a target that keeps one replica or more and whose triggers are not
cached: the autoscaler asks whenever it looks itself. It wakes a target from zero replicas, lets one sleep that nothing has asked for during the
cooldown, and brings one back to its minimum. Between one replica and many the autoscaler decides, with the metrics that
KEDA reads for it whenever it asks (or the last poll's, with useCachedMetrics).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Read = Callable[[], float]


@dataclass(slots=True)
class Activity:
    """What KEDA remembers of a target."""

    last_active: float = -math.inf


def poll(now: float, current: int, minimum: int, cooldown_s: float, activity: Activity, *, active: bool) -> int:
    """Return how many replicas KEDA sets at a poll; the current number where it leaves that to the autoscaler."""
    if active:
        activity.last_active = now
        return max(1, minimum) if current == 0 else current
    if current < minimum:
        return minimum
    if minimum == 0 and current > 0 and now - activity.last_active > cooldown_s:
        return 0
    return current


class Cached:
    """A value that is read every so often, and is as old as that for whoever asks in between."""

    def __init__(self, read: Read, every_s: float, offset_s: float = 0.0) -> None:
        self._read = read
        self._every_s = every_s
        self._offset_s = offset_s
        self._value = 0.0

    def due(self, now: float) -> float:
        """Return when it is read next."""
        return self._offset_s + (math.floor((now - self._offset_s) / self._every_s) + 1) * self._every_s

    def refresh(self) -> None:
        """Read it."""
        self._value = self._read()

    def value(self) -> float:
        """Return what was read last."""
        return self._value
