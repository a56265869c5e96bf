"""How long a crashed process waits before it is started again."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_S = 0.5
LONGEST_S = 10.0
# A process that was ready for this long was healthy: its next crash begins a new series.
HEALTHY_S = 30.0
# So many crashes in a row are more than bad luck.
LOOP = 3


@dataclass(slots=True)
class Backoff:
    """Counts a series of crashes."""

    crashes: int = 0

    def crashed(self, ready_s: float) -> float:
        """Count a crash after so many seconds of being ready, and return how many seconds to wait."""
        self.crashes = 1 if ready_s >= HEALTHY_S else self.crashes + 1
        return float(min(FIRST_S * 2 ** (self.crashes - 1), LONGEST_S))

    @property
    def looping(self) -> bool:
        """Whether it has crashed several times in a row."""
        return self.crashes >= LOOP
