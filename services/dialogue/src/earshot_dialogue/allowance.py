"""How often a household may have something done that costs the others' time. Each replica counts for itself."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from earshot_chassis.sampling import TokenBucket

_MINUTE_S: Final = 60.0
# Households that are counted; the one that has asked for nothing for longest is forgotten, and begins anew.
_COUNTED: Final = 10_000


class Allowance:
    """So many a minute for each household, which may come all at once.

    Args:
        per_minute: How many; 0: any number.
        clock: Seconds, monotonic.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._left: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, household: str) -> bool:
        """Count one of a household; False where it has had as many as it may."""
        if not self._per_minute:
            return True
        bucket = self._left.get(household)
        if bucket is None:
            bucket = self._left[household] = TokenBucket(self._per_minute / _MINUTE_S, self._per_minute, self._clock)
            if len(self._left) > _COUNTED:
                self._left.popitem(last=False)
        self._left.move_to_end(household)
        return bucket.take()
