"""A recogniser that hears the words that an utterance names, and the digest of all the samples it got."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from chaos.codewords import LOCALES, heard
from chaos.utterances import NoWordsError, beginning_of
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

_NAME: Final = "digest"
_FRAME_BYTES: Final = 1280

AtFrame = Callable[[str, int], Awaitable[None]]
"""Told who speaks and the number of frames that were fed."""


async def _nobody(_speaker: str, _frames: int) -> None:
    pass


class DigestEngine:
    """See `earshot_asr.engines.base.Engine`.

    Args:
        at_frame: Awaited after each frame.
    """

    def __init__(self, at_frame: AtFrame = _nobody) -> None:
        self._at_frame = at_frame
        self._revision = 0

    @property
    def capabilities(self) -> EngineCapabilities:
        return EngineCapabilities(
            name=_NAME,
            revision="1",
            locales=frozenset(map(Locale, LOCALES)),
            interim_results=False,
            dynamic_vocabulary=False,
        )

    async def start(self) -> None:
        """Nothing is loaded."""

    async def stop(self) -> None:
        """Nothing is held."""

    async def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        self._revision = vocabulary.revision

    async def open(self, locale: Locale, phrases: Phrases = NO_PHRASES) -> DigestStream:
        del phrases
        if locale not in LOCALES:
            raise UnsupportedLocaleError(f"no digests in {locale}")
        return DigestStream(locale, registry_revision=self._revision, at_frame=self._at_frame)


class DigestStream:
    """See `earshot_asr.engines.base.RecognitionStream`."""

    def __init__(self, locale: Locale, *, registry_revision: int, at_frame: AtFrame) -> None:
        self._locale = locale
        self._registry_revision = registry_revision
        self._at_frame = at_frame
        self._pcm = bytearray()
        self._closed = False

    async def feed(self, pcm: bytes) -> None:
        if self._closed:
            raise StreamClosedError("the stream is finished or closed")
        if len(pcm) % SAMPLE_WIDTH_BYTES:
            raise OddByteCountError("PCM ends within a sample")
        self._pcm += pcm
        await self._at_frame(self._beginning()[1], len(self._pcm) // _FRAME_BYTES)

    async def interim(self) -> Interim | None:
        return None

    async def speech_paused(self) -> None:
        """The result is made of everything."""

    async def speech_resumed(self) -> None:
        """Likewise."""

    async def finish(self) -> Recognition:
        template, _ = self._beginning()
        transcript = heard(template, bytes(self._pcm), self._locale) if template else ""
        return Recognition(
            alternatives=(Alternative(transcript=transcript, confidence=1.0),) if transcript else (),
            rejection=Rejection.NONE if transcript else Rejection.NO_SPEECH,
            engine=f"{_NAME}/1",
            registry_revision=self._registry_revision,
            audio_duration=len(self._pcm) / SAMPLE_WIDTH_BYTES / SAMPLE_RATE_HERTZ,
        )

    async def close(self) -> None:
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

    def _beginning(self) -> tuple[str, str]:
        try:
            return beginning_of(bytes(self._pcm[:_FRAME_BYTES]))
        except NoWordsError:
            return "", ""
