"""One utterance in pocketsphinx: its readings, and whether the best one is to be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from earshot_asr.engines.base import Alternative, Interim, Phrases, Recognition, Rejection, Word
from earshot_asr.engines.pocketsphinx.orders import Reading
from earshot_asr.engines.workers.process import WorkerProcess
from earshot_asr.engines.workers.stream import WorkerStream, nothing_heard
from earshot_asr.vocabulary.tokens import join

_FOLLOWED_BYTES: Final = 3200
"""What the streaming search takes at once (`hearing`)."""
_UNFOLLOWED_BYTES: Final = 16_000
"""Half a second: nothing is done with it before speech pauses."""


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


class PocketsphinxStream(WorkerStream):
    """Tells readings above a limit, with how they are written."""

    def __init__(self, number: int, worker: WorkerProcess, context: StreamContext, phrases: Phrases) -> None:
        """Open the stream in a worker; `number` is used once in the worker's life."""
        super().__init__(number, worker, context.key, phrases)
        self._context = context

    @property
    def _batch_bytes(self) -> int:
        return _FOLLOWED_BYTES if self._followed else _UNFOLLOWED_BYTES

    def _interim(self, body: Mapping[str, Any]) -> Interim:
        return Interim(transcript=self._text(body["words"]), audio_offset=body["offset"])

    def _result(self, body: Mapping[str, Any]) -> Recognition:
        readings = tuple(map(Reading.from_json, body["readings"]))
        believed = bool(readings) and readings[0].confidence >= self._context.minimum_confidence
        return Recognition(
            alternatives=tuple(map(self._alternative, readings)) if believed else (),
            rejection=Rejection.NONE if believed else nothing_heard(body["loudest"]),
            engine=self._context.engine,
            registry_revision=self._context.registry_revision,
            audio_duration=self.audio_duration,
        )

    def _text(self, words: Sequence[str]) -> str:
        return join(words, self._context.spellings)

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
