"""Whether there is a voice in a window of audio."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HERTZ: Final = 16_000
WINDOW_SAMPLES: Final = 512
"""32 ms."""


class VoiceActivityDetector(Protocol):
    """Judges the windows of one utterance in turn; keeps what it needs of the windows before."""

    def probability(self, window: NDArray[np.int16]) -> float:
        """Return how likely it is, 0 to 1, that somebody speaks in the next WINDOW_SAMPLES samples.

        Takes well under a millisecond, so that it may run on the event loop.
        """
        ...


class VadPool(Protocol):
    """Detectors that are made once and used by one utterance after the other."""

    async def acquire(self) -> VoiceActivityDetector:
        """Return a detector that remembers nothing."""
        ...

    def release(self, detector: VoiceActivityDetector) -> None:
        """Give a detector back; it must not be used afterwards."""
        ...
