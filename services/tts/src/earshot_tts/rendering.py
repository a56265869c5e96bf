"""One sentence, from words to wire frames, in a synthesis thread. Blocking; no asyncio.

    engine ─ samples at its own rate ─► resampler ─► encoder ─► frames

Each sentence has its own resampler and encoder, so its frames depend on nothing but its text: they can be cached, and
another worker that takes over makes the same ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from earshot_audio import Format, FrameEncoder
from earshot_tts.cache.blob import Frames
from earshot_tts.engines.base import Engine, Samples, Voice
from earshot_tts.resampling import SpeechResampler

# Resampling and encoding cost more a call than a sample. Blocks are gathered until there is as much as has been passed
# on already, but not more than this: the first block goes through at once, and an engine that is quicker than real time
# keeps the device supplied. Which blocks go together depends on nothing but the samples.
_MOST_GATHERED_S = 0.5
# The first batches leave at once; later ones are gathered, so that a quick engine wakes the event loop a few times a
# sentence and not fifty times.
_AT_ONCE = 2
_GATHER_S = 0.005


def render(
    engine: Engine,
    text: str,
    voice: Voice,
    audio_format: Format,
    frame_ms: int,
    emit: Callable[[Frames], None],
    stopped: Callable[[], bool],
) -> None:
    """Speak a sentence and emit its frames as they come into being; returns early, without the rest, once stopped.

    Args:
        engine: Started engine.
        text: One normalised sentence.
        voice: One of the engine's.
        audio_format: Wanted format.
        frame_ms: Length of a frame; the last PCM frame of a sentence may be shorter.
        emit: Gets one or more frames; called in this thread.
        stopped: Asked whenever there are samples.

    Raises:
        EngineError: The engine failed.
    """
    outlet = _Outlet(emit)
    resampler = SpeechResampler(voice.sample_rate_hertz, audio_format.sample_rate_hertz)
    encoder = FrameEncoder(audio_format, frame_ms)
    most = int(_MOST_GATHERED_S * voice.sample_rate_hertz)
    gathered: list[Samples] = []
    waiting = passed_on = 0

    def take(samples: Samples) -> bool:
        nonlocal waiting, passed_on
        if stopped():
            return False
        gathered.append(samples)
        waiting += len(samples)
        if waiting >= min(passed_on, most):
            pass_on()
        return True

    def pass_on() -> None:
        nonlocal waiting, passed_on
        if waiting:
            outlet.add(encoder.encode(resampler.process(np.concatenate(gathered))))
            passed_on += waiting
            waiting = 0
            gathered.clear()

    engine.synthesise(text, voice, take)
    if stopped():
        return
    pass_on()
    outlet.add(encoder.encode(resampler.flush()))
    outlet.add(encoder.flush())
    outlet.flush()


def silence(audio_format: Format, frame_ms: int) -> bytes:
    """Return one frame without sound."""
    samples = np.zeros(audio_format.sample_rate_hertz * frame_ms // 1000, np.int16)
    return FrameEncoder(audio_format, frame_ms).encode(samples)[0]


class _Outlet:
    """Gathers frames into batches."""

    def __init__(self, emit: Callable[[Frames], None]) -> None:
        self._emit = emit
        self._pending: list[bytes] = []
        self._emitted = 0
        self._last = 0.0

    def add(self, frames: list[bytes]) -> None:
        self._pending += frames
        now = time.monotonic()
        if self._pending and (self._emitted < _AT_ONCE or now - self._last >= _GATHER_S):
            self.flush()
            self._last = now

    def flush(self) -> None:
        if self._pending:
            self._emit(tuple(self._pending))
            self._emitted += 1
            self._pending = []
