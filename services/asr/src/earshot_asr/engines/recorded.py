"""An engine for benchmarks: it answers with transcripts that were recorded, and takes no time for it.

Everything around it is real; only the search is left out. The transcript is looked up by the SHA-256 of the PCM that
was fed (16 kHz, as decoded), and otherwise is the constant one of its locale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from earshot_asr.engines.base import (
    NO_PHRASES,
    SAMPLE_RATE_HERTZ,
    SAMPLE_WIDTH_BYTES,
    Alternative,
    EngineCapabilities,
    Interim,
    Locale,
    Phrases,
    Recognition,
    Rejection,
    Vocabulary,
)
from earshot_asr.engines.errors import OddByteCountError, StreamClosedError, UnsupportedLocaleError

_REVISION = "1"


class Recordings(BaseModel):
    """What the engine answers.

    Attributes:
        by_digest: SHA-256 of the PCM in hex → transcript.
        constant: Locale → transcript of any other audio; a locale without one rejects it as no speech.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by_digest: dict[str, str] = Field(default_factory=dict)
    constant: dict[Locale, str] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Recordings:
        """Read a JSON file of both mappings.

        Raises:
            OSError: It can not be read.
            ValueError: It is not such a file.
        """
        return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))


class RecordedEngine:
    """See `earshot_asr.engines.base.Engine`."""

    def __init__(self, recordings: Recordings, locales: frozenset[Locale]) -> None:
        """Make an engine of some locales."""
        self._recordings = recordings
        self._locales = locales
        self._revision = 0

    @property
    def capabilities(self) -> EngineCapabilities:
        """See `Engine.capabilities`."""
        return EngineCapabilities(
            name="recorded",
            revision=_REVISION,
            locales=self._locales,
            interim_results=False,
            dynamic_vocabulary=False,
        )

    async def start(self) -> None:
        """See `Engine.start`."""

    async def stop(self) -> None:
        """See `Engine.stop`."""

    async def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Take note of the revision, for results; what is recognised does not change."""
        self._revision = vocabulary.revision

    async def open(self, locale: Locale, phrases: Phrases = NO_PHRASES) -> RecordedStream:
        """See `Engine.open`; what is recorded needs no phrases."""
        del phrases
        if locale not in self._locales:
            raise UnsupportedLocaleError(f"nothing is recorded for {locale}")
        return RecordedStream(
            self._recordings.by_digest, self._recordings.constant.get(locale, ""), registry_revision=self._revision
        )


class RecordedStream:
    """See `earshot_asr.engines.base.RecognitionStream`."""

    def __init__(self, by_digest: Mapping[str, str], otherwise: str, *, registry_revision: int) -> None:
        """Open a stream."""
        self._by_digest = by_digest
        self._otherwise = otherwise
        self._registry_revision = registry_revision
        self._hash = hashlib.sha256()
        self._bytes = 0
        self._closed = False
        self._recognition: Recognition | None = None

    async def feed(self, pcm: bytes) -> None:
        """See `RecognitionStream.feed`."""
        if self._closed or self._recognition is not None:
            raise StreamClosedError("the stream is finished or closed")
        if len(pcm) % SAMPLE_WIDTH_BYTES:
            raise OddByteCountError("PCM ends within a sample")
        self._hash.update(pcm)
        self._bytes += len(pcm)

    async def interim(self) -> Interim | None:
        """Return None: there are none."""
        return None

    async def speech_paused(self) -> None:
        """See `RecognitionStream.speech_paused`."""

    async def speech_resumed(self) -> None:
        """See `RecognitionStream.speech_resumed`."""

    async def finish(self) -> Recognition:
        """See `RecognitionStream.finish`."""
        if self._recognition is None:
            if self._closed:
                raise StreamClosedError("the stream is closed")
            transcript = self._by_digest.get(self._hash.hexdigest(), self._otherwise)
            self._recognition = Recognition(
                alternatives=(Alternative(transcript=transcript, confidence=1.0),) if transcript else (),
                rejection=Rejection.NONE if transcript else Rejection.NO_SPEECH,
                engine=f"recorded/{_REVISION}",
                registry_revision=self._registry_revision,
                audio_duration=self._bytes / SAMPLE_WIDTH_BYTES / SAMPLE_RATE_HERTZ,
            )
        return self._recognition

    async def close(self) -> None:
        """See `RecognitionStream.close`."""
        self._closed = True

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
