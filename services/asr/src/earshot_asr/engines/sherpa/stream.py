"""One utterance in sherpa-onnx: one reading, written as the skills write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from earshot_asr.engines.base import NO_PHRASES, Alternative, Interim, Phrases, Recognition, Rejection, Word
from earshot_asr.engines.workers.process import WorkerProcess
from earshot_asr.engines.workers.stream import WorkerStream, nothing_heard
from earshot_asr.vocabulary.tokens import join


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


class SherpaStream(WorkerStream):
    """Tells what the network heard, and when it heard the end of speech."""

    def __init__(
        self, number: int, worker: WorkerProcess, context: StreamContext, phrases: Phrases = NO_PHRASES
    ) -> None:
        """Open the stream in a worker; `number` is used once in the worker's life, `phrases` are hot words of its own."""
        super().__init__(number, worker, context.key, phrases)
        self._context = context

    async def speech_paused(self) -> None:
        """Take no hint: the words are known but for the last chunk of audio."""
        self._check_open()

    async def speech_resumed(self) -> None:
        """Take no hint."""
        self._check_open()

    def _interim(self, body: Mapping[str, Any]) -> Interim:
        return Interim(
            transcript=self._text(body["words"]), audio_offset=body["offset"], end_of_speech=body["end_of_speech"]
        )

    def _written(self, word: str) -> str:
        lower = word.lower()
        return self._context.spellings.get(lower, lower if self._context.lower else word)

    def _text(self, words: Sequence[str]) -> str:
        return join([self._written(word) for word in words])

    def _result(self, body: Mapping[str, Any]) -> Recognition:
        words = tuple(
            Word(text=self._written(text), start_offset=start, end_offset=end, confidence=probability)
            for text, start, end, probability in body["words"]
        )
        best = Alternative(
            transcript=join([word.text for word in words]),
            confidence=fmean(word.confidence for word in words) if words else 0.0,
            words=words,
        )
        return Recognition(
            alternatives=(best,) if words else (),
            rejection=Rejection.NONE if words else nothing_heard(body["loudest"]),
            engine=self._context.engine,
            registry_revision=self._context.registry_revision,
            audio_duration=self.audio_duration,
        )
