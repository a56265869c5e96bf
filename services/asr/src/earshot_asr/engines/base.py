"""What a recognition engine promises to the rest of the service.

One engine serves every utterance of a worker. An utterance is one stream:

    stream = await engine.open("en-US")
    await stream.feed(pcm)                      as frames arrive; another task reads `interim`
    await stream.speech_paused()                optional: the final result may be prepared meanwhile
    recognition = await stream.finish()
    await stream.close()                        always, in a finally block

    engine.start ─► open ─► feed … feed ─► finish ─► close
                       └───────────────────────────► close     abandoned: cancelled, taken over, failed

PCM is signed 16-bit little-endian, mono, at `SAMPLE_RATE_HERTZ`. Offsets and durations are seconds from the first
sample that was fed. Errors are those of `earshot_asr.engines.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType, TracebackType
from typing import Final, NewType, Protocol, Self, runtime_checkable

SAMPLE_RATE_HERTZ: Final = 16_000
SAMPLE_WIDTH_BYTES: Final = 2

Locale = NewType("Locale", str)
"""BCP-47, language and region: "en-US"."""


class Rejection(StrEnum):
    """Why an engine found nothing to understand; the names are those of the contract."""

    NONE = "none"
    NO_SPEECH = "no_speech"
    NOT_FOR_US = "not_for_us"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCapabilities:
    """What an engine can do.

    Attributes:
        name: "pocketsphinx".
        revision: Version of the engine or of its model.
        locales: What it can recognise here, given the models that are installed.
        interim_results: Whether `interim` ever yields a result.
        dynamic_vocabulary: Whether `set_vocabulary` changes what it recognises.
        experimental: Locales that are meant for trying out only; a subset of `locales`.
        endpoints: Whether `Interim.end_of_speech` ever tells that an utterance is over.
    """

    name: str
    revision: str
    locales: frozenset[Locale]
    interim_results: bool
    dynamic_vocabulary: bool
    experimental: frozenset[Locale] = frozenset()
    endpoints: bool = False


Phrases = Mapping[str, Sequence[str]]
"""A household's own words and phrases, by the list of the skills' sentences that they are values of."""
NO_PHRASES: Final[Phrases] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The sentences that the registered skills understand.

    Attributes:
        revision: Revision of the skill registry that it was taken from; results name it.
        locales: Locale → sentence templates of every skill, each one YAML document in hassil's format.
    """

    revision: int
    locales: Mapping[Locale, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word in its place; offsets in seconds, confidence from 0 to 1."""

    text: str
    start_offset: float
    end_offset: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One reading of the audio.

    Attributes:
        transcript: Words; Mandarin without spaces.
        confidence: From 0 to 1.
        words: Word by word; empty where the engine does not tell.
    """

    transcript: str
    confidence: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interim:
    """Words so far; later results may take them back.

    Attributes:
        transcript: As in `Alternative`; may be empty when words were taken back.
        audio_offset: Seconds of audio that it covers.
        end_of_speech: Seconds to the end of the last word, if the engine takes the utterance to be over, by
            `audio_offset`; 0 when it has heard none and waits no longer.
    """

    transcript: str
    audio_offset: float
    end_of_speech: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """The result of one utterance.

    Attributes:
        alternatives: Best first; empty when rejected.
        rejection: Why there are none.
        engine: Name and revision, "pocketsphinx/5.1.1".
        registry_revision: `Vocabulary.revision` that was in force when the stream was opened; 0 without one.
        audio_duration: Seconds of audio that were fed.
    """

    alternatives: tuple[Alternative, ...]
    rejection: Rejection
    engine: str
    registry_revision: int
    audio_duration: float


@runtime_checkable
class RecognitionStream(Protocol):
    """One utterance on its way through an engine. Not for use from several tasks, but for `interim`."""

    async def feed(self, pcm: bytes) -> None:
        """Take the next stretch of audio.

        Returns at once while the engine keeps up, and waits while it is far behind (backpressure).

        Args:
            pcm: Any even number of bytes, also none.

        Raises:
            EarshotError: odd_byte_count, stream_closed, recognizer_worker_died.
        """
        ...

    async def interim(self) -> Interim | None:
        """Wait for the next interim result that differs from the last.

        May be called from one other task than the one that feeds. Results that nobody waited for are replaced by
        newer ones.

        Returns:
            None once the stream is finished or closed, and always for engines without interim results.

        Raises:
            EarshotError: recognizer_worker_died.
        """
        ...

    async def speech_paused(self) -> None:
        """Hint that speech seems to be over, so that the final result can be prepared during the endpoint silence.

        Returns at once. What is fed from now on is taken for silence unless `speech_resumed` is called.
        """
        ...

    async def speech_resumed(self) -> None:
        """Take the hint of `speech_paused` back: speech went on."""
        ...

    async def finish(self) -> Recognition:
        """End the utterance and return its result; the second call returns the same result.

        Raises:
            EarshotError: stream_closed, recognizer_worker_died.
        """
        ...

    async def close(self) -> None:
        """Give the stream up and free what it holds; idempotent, also after `finish` and after errors."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...


@runtime_checkable
class Engine(Protocol):
    """A recogniser."""

    @property
    def capabilities(self) -> EngineCapabilities:
        """What it can do; known before `start`."""
        ...

    async def start(self) -> None:
        """Bring it up: processes, models.

        Raises:
            EarshotError: model_missing, recognizer_unavailable.
        """
        ...

    async def stop(self) -> None:
        """Take it down; streams in progress fail with recognizer_stopped. Idempotent."""
        ...

    async def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Make new utterances use another vocabulary; returns when it is in force.

        Utterances in progress keep theirs. Of several calls at once the last wins, and the earlier ones return when
        it is in force. On failure the vocabulary before stays.

        Raises:
            EarshotError: vocabulary_invalid, recognizer_worker_died.
        """
        ...

    async def open(self, locale: Locale, phrases: Phrases = NO_PHRASES) -> RecognitionStream:
        """Begin an utterance.

        Args:
            locale: In which it is spoken.
            phrases: What the talker's household calls things, by the list of the skills' sentences that they are values
                of: for this utterance they may be said wherever such a value may. An engine that can not use them, and
                what can not be said, are no error.

        Raises:
            EarshotError: unsupported_locale, vocabulary_missing (nothing registered in that locale yet),
                recognizer_busy.
        """
        ...
