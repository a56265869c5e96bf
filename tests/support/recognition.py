"""A recognition engine and a voice activity detector for tests: small, deterministic, with the whole behaviour.

The engine "hears" a digest of what it was fed, so that a test can tell bit by bit whether a worker rebuilt an utterance.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from earshot_asr.engines.base import (
    NO_PHRASES,
    Alternative,
    EngineCapabilities,
    Interim,
    Locale,
    Phrases,
    Recognition,
    Rejection,
    Vocabulary,
    Word,
)
from earshot_asr.engines.errors import RecognizerBusyError, StreamClosedError, UnsupportedLocaleError
from earshot_asr.vad import VoiceActivityDetector
from earshot_chassis.errors import EarshotError

BYTES_PER_SECOND = 32_000


def digest(pcm: bytes) -> str:
    """Return what the engine hears in 16 kHz PCM."""
    return hashlib.sha256(pcm).hexdigest()[:16]


@dataclass(kw_only=True)
class DigestEngine:
    """Hears a digest; gives an interim result every 0.2 s of audio.

    Attributes:
        places: Streams that may be open at once.
        fail_finish: Errors that the next calls of finish raise.
        feed_s: How long it works on each stretch of audio.
        finish_s: How long finish takes.
        interim_results: Whether interim results are given.
        streams: Every stream that was opened.
    """

    places: int = 1_000
    interim_results: bool = True
    feed_s: float = 0.0
    finish_s: float = 0.0
    fail_finish: list[EarshotError] = field(default_factory=list)
    streams: list[DigestStream] = field(default_factory=list)
    vocabulary: Vocabulary = field(default_factory=lambda: Vocabulary(revision=0))
    started: bool = False

    @property
    def capabilities(self) -> EngineCapabilities:
        """What it can do."""
        return EngineCapabilities(
            name="digest",
            revision="1",
            locales=frozenset({Locale("en-US"), Locale("zh-CN")}),
            interim_results=self.interim_results,
            dynamic_vocabulary=True,
            experimental=frozenset({Locale("zh-CN")}),
        )

    async def start(self) -> None:
        """Bring it up."""
        self.started = True

    async def stop(self) -> None:
        """Take it down."""
        self.started = False
        for stream in self.streams:
            await stream.close()

    async def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Use it for new utterances."""
        self.vocabulary = vocabulary

    async def open(self, locale: Locale, phrases: Phrases = NO_PHRASES) -> DigestStream:
        """Begin an utterance."""
        del phrases
        if locale not in self.capabilities.locales:
            raise UnsupportedLocaleError(f"{locale} is not recognised here")
        if sum(not stream.closed for stream in self.streams) >= self.places:
            raise RecognizerBusyError("every place is taken")
        stream = DigestStream(self)
        self.streams.append(stream)
        return stream


class DigestStream:
    """One utterance."""

    def __init__(self, engine: DigestEngine) -> None:
        self._engine = engine
        self._revision = engine.vocabulary.revision
        self._news = asyncio.Event()
        self._told = 0
        self._result: Recognition | None = None
        self.pcm = bytearray()
        self.hints: list[str] = []
        self.closed = False

    async def feed(self, pcm: bytes) -> None:
        """Take the next stretch of audio."""
        if self.closed or self._result is not None:
            raise StreamClosedError("closed")
        if self._engine.feed_s:
            await asyncio.sleep(self._engine.feed_s)
        self.pcm += pcm
        self._news.set()

    async def interim(self) -> Interim | None:
        """Wait for the next fifth of a second."""
        if not self._engine.interim_results:
            return None
        while not self.closed and self._result is None:
            fifths = len(self.pcm) * 5 // BYTES_PER_SECOND
            if fifths > self._told:
                self._told = fifths
                return Interim(transcript="word " * fifths, audio_offset=len(self.pcm) / BYTES_PER_SECOND)
            self._news.clear()
            await self._news.wait()
        return None

    async def speech_paused(self) -> None:
        """Note the hint."""
        self.hints.append("paused")

    async def speech_resumed(self) -> None:
        """Note the hint."""
        self.hints.append("resumed")

    async def finish(self) -> Recognition:
        """Return the digest of what was fed."""
        if self._result is not None:
            return self._result
        if self.closed:
            raise StreamClosedError("closed")
        if self._engine.finish_s:
            await asyncio.sleep(self._engine.finish_s)
        if self._engine.fail_finish:
            raise self._engine.fail_finish.pop(0)
        seconds = len(self.pcm) / BYTES_PER_SECOND
        heard = digest(bytes(self.pcm))
        word = Word(text=heard, start_offset=0.0, end_offset=seconds, confidence=0.9)
        self._result = Recognition(
            alternatives=(Alternative(transcript=heard, confidence=0.9, words=(word,)),),
            rejection=Rejection.NONE,
            engine="digest/1",
            registry_revision=self._revision,
            audio_duration=seconds,
        )
        self._news.set()
        return self._result

    async def close(self) -> None:
        """Give it up."""
        self.closed = True
        self._news.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class LoudnessDetector:
    """Takes every window above -40 dBFS for speech."""

    def probability(self, window: NDArray[np.int16]) -> float:
        """Return 0 or 1."""
        return float(np.sqrt(np.mean(window.astype(np.float64) ** 2)) > 328)


@dataclass(kw_only=True)
class LoudnessPool:
    """Loudness detectors; counts those in use."""

    in_use: int = 0
    made: list[VoiceActivityDetector] = field(default_factory=list)
    detector: Callable[[], VoiceActivityDetector] = LoudnessDetector

    async def acquire(self) -> VoiceActivityDetector:
        """Return a new one."""
        self.in_use += 1
        self.made.append(self.detector())
        return self.made[-1]

    def release(self, detector: VoiceActivityDetector) -> None:
        """Take it back."""
        assert detector in self.made
        self.in_use -= 1


def speech(seconds: float, rate: int = 16_000, seed: int = 1) -> NDArray[np.int16]:
    """Return noise at -20 dBFS, which the loudness detector takes for speech."""
    return (np.random.default_rng(seed).standard_normal(round(seconds * rate)) * 3_000).astype(np.int16)


def silence(seconds: float, rate: int = 16_000) -> NDArray[np.int16]:
    """Return digital silence."""
    return np.zeros(round(seconds * rate), np.int16)
