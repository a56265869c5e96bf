"""One utterance in a decoding process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from types import TracebackType
from typing import Any, Final, Self

from earshot_asr.engines.base import (
    SAMPLE_RATE_HERTZ,
    SAMPLE_WIDTH_BYTES,
    Alternative,
    Interim,
    Recognition,
    Rejection,
    Word,
)
from earshot_asr.engines.errors import DecodingFailedError, OddByteCountError, StreamClosedError
from earshot_asr.engines.workers.frames import Frame, Kind, encode
from earshot_asr.engines.workers.process import WorkerProcess
from earshot_asr.vocabulary.tokens import join

_AUDIBLE_DBFS: Final = -45.0
"""Below this no stretch of audio can have been speech for us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamContext:
    """What is the same for every utterance that began under one vocabulary.

    Attributes:
        engine: Name and revision, for results.
        key: The hot words; empty: none.
        registry_revision: What they were made from; 0 without any.
        spellings: How words are written where that is not in lower case.
        lower: Whether the model writes in capitals what is to be in lower case.
    """

    engine: str
    key: str = ""
    registry_revision: int = 0
    spellings: Mapping[str, str] = field(default_factory=dict)
    lower: bool = False


class SherpaStream:
    """Sends audio to a worker process and waits for what it hears."""

    def __init__(self, number: int, worker: WorkerProcess, context: StreamContext) -> None:
        """Open the stream in a worker; `number` is used once in the worker's life."""
        self._number = number
        self._worker = worker
        self._context = context
        self._samples = 0
        self._interims: deque[Interim] = deque()
        self._news = asyncio.Event()
        self._final: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._ending = False
        self._recognition: Recognition | None = None
        self._closed = False
        worker.attach(number, self, context.key)

    async def feed(self, pcm: bytes) -> None:
        """See `RecognitionStream.feed`."""
        self._check_open()
        if len(pcm) % SAMPLE_WIDTH_BYTES:
            raise OddByteCountError("PCM ends within a sample")
        if not pcm:
            return
        self._samples += len(pcm) // SAMPLE_WIDTH_BYTES
        self._worker.send(Kind.FEED, self._number, encode(Kind.FEED, self._number, pcm))
        await self._worker.drain()

    async def interim(self) -> Interim | None:
        """See `RecognitionStream.interim`."""
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
        """Take no hint: the words are known but for the last chunk of audio."""
        self._check_open()

    async def speech_resumed(self) -> None:
        """Take no hint."""
        self._check_open()

    async def finish(self) -> Recognition:
        """See `RecognitionStream.finish`."""
        if self._recognition is None:
            if self._closed:
                raise StreamClosedError("the stream is closed")
            if not self._ending:
                self._ending = True
                self._news.set()
                self._worker.send(Kind.FINISH, self._number)
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
            self.on_failure(DecodingFailedError(f"the network gave up: {body['reason']}"))
        elif frame.kind is Kind.INTERIM:
            # Newer words replace those that nobody waited for, but that the utterance is over is told.
            if self._interims and self._interims[-1].end_of_speech is None:
                self._interims.pop()
            self._interims.append(
                Interim(
                    transcript=self._text(body["words"]),
                    audio_offset=body["offset"],
                    end_of_speech=body["end_of_speech"],
                )
            )
            self._news.set()

    def on_failure(self, error: Exception) -> None:
        """Fail whoever waits."""
        if not self._final.done():
            self._final.set_exception(error)
        self._news.set()

    def _check_open(self) -> None:
        if self._final.done() and (error := self._final.exception()):
            raise error
        if self._closed or self._ending:
            raise StreamClosedError("the stream is finished or closed")

    def _written(self, word: str) -> str:
        lower = word.lower()
        return self._context.spellings.get(lower, lower if self._context.lower else word)

    def _text(self, words: Sequence[str]) -> str:
        return join([self._written(word) for word in words])

    def _result(self, heard: Mapping[str, Any]) -> Recognition:
        words = tuple(
            Word(text=self._written(text), start_offset=start, end_offset=end, confidence=probability)
            for text, start, end, probability in heard["words"]
        )
        best = Alternative(
            transcript=join([word.text for word in words]),
            confidence=fmean(word.confidence for word in words) if words else 0.0,
            words=words,
        )
        silent = Rejection.NOT_FOR_US if heard["loudest"] >= _AUDIBLE_DBFS else Rejection.NO_SPEECH
        return Recognition(
            alternatives=(best,) if words else (),
            rejection=Rejection.NONE if words else silent,
            engine=self._context.engine,
            registry_revision=self._context.registry_revision,
            audio_duration=self._samples / SAMPLE_RATE_HERTZ,
        )
