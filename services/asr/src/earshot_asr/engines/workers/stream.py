"""One utterance in a decoding process, as the service has it: audio there, words back. What they mean is the engine's."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from earshot_asr.engines.base import (
    NO_PHRASES,
    SAMPLE_RATE_HERTZ,
    SAMPLE_WIDTH_BYTES,
    Interim,
    Phrases,
    Recognition,
    Rejection,
)
from earshot_asr.engines.errors import DecodingFailedError, OddByteCountError, StreamClosedError
from earshot_asr.engines.workers.frames import Frame, Kind, encode
from earshot_asr.engines.workers.process import WorkerProcess

_AUDIBLE_DBFS: Final = -45.0
"""Below this no stretch of audio can have been speech for us."""


def nothing_heard(loudest_dbfs: float) -> Rejection:
    """Return why an utterance without a believable reading is rejected."""
    return Rejection.NOT_FOR_US if loudest_dbfs >= _AUDIBLE_DBFS else Rejection.NO_SPEECH


class WorkerStream(ABC):
    """Sends audio to a worker process and waits for what it hears.

    Args:
        number: Used once in the worker's life.
        worker: Opens the stream.
        key: What it was told to load for it; empty: nothing.
        phrases: See `Engine.open`.
    """

    def __init__(self, number: int, worker: WorkerProcess, key: str, phrases: Phrases = NO_PHRASES) -> None:
        self._number = number
        self._worker = worker
        self._samples = 0
        self._unsent = bytearray()
        self._interims: deque[Interim] = deque()
        self._news = asyncio.Event()
        self._final: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._followed = False
        self._ending = False
        self._recognition: Recognition | None = None
        self._closed = False
        worker.attach(number, self, key, phrases)

    @property
    def audio_duration(self) -> float:
        """Seconds that were fed."""
        return self._samples / SAMPLE_RATE_HERTZ

    @property
    def _batch_bytes(self) -> int:
        """How much audio is worth a message, which costs either process as much as many milliseconds of sound do."""
        return 0

    @abstractmethod
    def _interim(self, body: Mapping[str, Any]) -> Interim:
        """Read an INTERIM frame's body."""

    @abstractmethod
    def _result(self, body: Mapping[str, Any]) -> Recognition:
        """Read a FINAL frame's body."""

    async def feed(self, pcm: bytes) -> None:
        """See `RecognitionStream.feed`."""
        self._check_open()
        if len(pcm) % SAMPLE_WIDTH_BYTES:
            raise OddByteCountError("PCM ends within a sample")
        if not pcm:
            return
        self._samples += len(pcm) // SAMPLE_WIDTH_BYTES
        self._unsent += pcm
        if len(self._unsent) >= self._batch_bytes:
            self._send_audio()
            await self._worker.drain()

    async def interim(self) -> Interim | None:
        """See `RecognitionStream.interim`; the first call tells the worker that somebody wants them."""
        if not (self._followed or self._closed or self._ending):
            self._followed = True
            self._tell(Kind.FOLLOW)
        while True:
            if self._closed:
                return None
            if self._final.done() and (error := self._final.exception()):
                raise error
            if self._ending:
                return None
            if self._interims:
                return self._interims.popleft()
            self._news.clear()
            await self._news.wait()

    async def speech_paused(self) -> None:
        """See `RecognitionStream.speech_paused`."""
        self._check_open()
        self._tell(Kind.PAUSE)

    async def speech_resumed(self) -> None:
        """See `RecognitionStream.speech_resumed`."""
        self._check_open()
        self._tell(Kind.RESUME)

    async def finish(self) -> Recognition:
        """See `RecognitionStream.finish`."""
        if self._recognition is None:
            if self._closed:
                raise StreamClosedError("the stream is closed")
            if not self._ending:
                self._ending = True
                self._news.set()
                self._tell(Kind.FINISH)
            self._recognition = self._result(await asyncio.shield(self._final))
        return self._recognition

    async def close(self) -> None:
        """See `RecognitionStream.close`."""
        if self._closed:
            return
        self._closed = True
        self._news.set()
        if not self._final.done():
            self._worker.send(Kind.CLOSE, self._number)
            self._final.set_exception(StreamClosedError("the stream was closed"))
        self._final.exception()
        self._worker.detach(self._number)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        await self.close()

    def on_frame(self, frame: Frame) -> None:
        """Take what the worker heard."""
        body = frame.json()
        if frame.kind is Kind.FINAL:
            self._worker.detach(self._number)
            if not self._final.done():
                self._final.set_result(body)
        elif frame.kind is Kind.BROKEN:
            self._worker.detach(self._number)
            self.on_failure(DecodingFailedError(f"the decoder gave up: {body['reason']}"))
        elif frame.kind is Kind.INTERIM:
            # Newer words replace those that nobody waited for, but that the utterance is over is told.
            if self._interims and self._interims[-1].end_of_speech is None:
                self._interims.pop()
            self._interims.append(self._interim(body))
            self._news.set()

    def on_failure(self, error: Exception) -> None:
        """Fail whoever waits."""
        if not self._final.done():
            self._final.set_exception(error)
        self._news.set()

    def _tell(self, kind: Kind) -> None:
        """Send what belongs behind all audio so far."""
        self._send_audio()
        self._worker.send(kind, self._number)

    def _send_audio(self) -> None:
        if self._unsent:
            self._worker.send(Kind.FEED, self._number, encode(Kind.FEED, self._number, bytes(self._unsent)))
            self._unsent.clear()

    def _check_open(self) -> None:
        if self._final.done() and (error := self._final.exception()):
            raise error
        if self._closed or self._ending:
            raise StreamClosedError("the stream is finished or closed")
