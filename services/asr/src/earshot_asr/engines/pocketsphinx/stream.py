"""One utterance in a decoding process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Self

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
from earshot_asr.engines.pocketsphinx.orders import Reading
from earshot_asr.engines.workers.frames import Frame, Kind, encode
from earshot_asr.engines.workers.process import WorkerProcess
from earshot_asr.vocabulary.tokens import join

_AUDIBLE_DBFS: Final = -45.0
"""Below this no stretch of audio can have been speech for us."""


class _Heard(NamedTuple):
    readings: tuple[Reading, ...]
    loudest_dbfs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamContext:
    """What is the same for every utterance that began under one vocabulary.

    Attributes:
        engine: Name and revision, for results.
        key: The bundle.
        registry_revision: What it was made from.
        spellings: How words are written where that differs.
        minimum_confidence: Below it the best reading is rejected.
    """

    engine: str
    key: str
    registry_revision: int
    spellings: dict[str, str]
    minimum_confidence: float


class PocketsphinxStream:
    """Sends audio to a worker process and waits for what it hears."""

    def __init__(self, number: int, worker: WorkerProcess, context: StreamContext) -> None:
        """Open the stream in a worker; `number` is used once in the worker's life."""
        self._number = number
        self._worker = worker
        self._context = context
        self._samples = 0
        self._interim: Interim | None = None
        self._news = asyncio.Event()
        self._final: asyncio.Future[_Heard] = asyncio.get_running_loop().create_future()
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
            if self._interim is not None:
                interim, self._interim = self._interim, None
                return interim
            self._news.clear()
            await self._news.wait()

    async def speech_paused(self) -> None:
        """See `RecognitionStream.speech_paused`."""
        self._check_open()
        self._worker.send(Kind.PAUSE, self._number)

    async def speech_resumed(self) -> None:
        """See `RecognitionStream.speech_resumed`."""
        self._check_open()
        self._worker.send(Kind.RESUME, self._number)

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
                readings = tuple(Reading.from_json(reading) for reading in body["readings"])
                self._final.set_result(_Heard(readings, body["loudest"]))
        elif frame.kind is Kind.BROKEN:
            self._worker.detach(self._number)
            self.on_failure(DecodingFailedError(f"the decoder gave up: {body['reason']}"))
        elif frame.kind is Kind.INTERIM:
            self._interim = Interim(transcript=self._text(body["words"]), audio_offset=body["offset"])
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

    def _text(self, words: list[str] | tuple[str, ...]) -> str:
        return join(words, self._context.spellings)

    def _result(self, heard: _Heard) -> Recognition:
        rejection = self._rejection(heard)
        return Recognition(
            alternatives=() if rejection is not Rejection.NONE else tuple(map(self._alternative, heard.readings)),
            rejection=rejection,
            engine=self._context.engine,
            registry_revision=self._context.registry_revision,
            audio_duration=self._samples / SAMPLE_RATE_HERTZ,
        )

    def _rejection(self, heard: _Heard) -> Rejection:
        if heard.readings and heard.readings[0].confidence >= self._context.minimum_confidence:
            return Rejection.NONE
        return Rejection.NOT_FOR_US if heard.loudest_dbfs >= _AUDIBLE_DBFS else Rejection.NO_SPEECH

    def _alternative(self, reading: Reading) -> Alternative:
        spellings = self._context.spellings
        return Alternative(
            transcript=self._text(reading.words),
            confidence=reading.confidence,
            words=tuple(
                Word(
                    text=spellings.get(heard.word, heard.word),
                    start_offset=heard.start,
                    end_offset=heard.end,
                    confidence=heard.confidence,
                )
                for heard in reading.heard
            ),
        )
