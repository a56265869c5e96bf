"""Sentences to frames for the event loop: cache first, then the engine in a thread. What bus and gRPC have in common."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass

from earshot_audio import Encoding, Format
from earshot_chassis import telemetry
from earshot_tts.cache.blob import Frames
from earshot_tts.cache.keys import cache_key
from earshot_tts.cache.sentences import SentenceCache, Source
from earshot_tts.engines.base import Engine, EngineCapabilities, Voice
from earshot_tts.engines.catalogue import voice_for
from earshot_tts.errors import SpeechError
from earshot_tts.production import Production
from earshot_tts.rendering import render, silence
from earshot_tts.text.spans import Span

MOST_WORDS = 1000
LONGEST_WORD = 100
_WARM_FORMATS = tuple(Format(encoding=encoding, sample_rate_hertz=16_000) for encoding in Encoding)
_SENTENCES = telemetry.counter("earshot.tts.sentences", "Sentences spoken, by where they came from.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Frames of one sentence, in order.

    Attributes:
        frames: Payloads; at least one.
        span: What they say.
        source: Where they came from.
    """

    frames: Frames
    span: Span
    source: Source


class Synthesis:
    """The engine behind the caches.

    Args:
        engine: Not yet started.
        cache: Spoken sentences.
        threads: Sentences that may be rendered at the same time.
        frame_ms: Length of a frame.
    """

    def __init__(self, engine: Engine, cache: SentenceCache, *, threads: int, frame_ms: int) -> None:
        self._engine = engine
        self._cache = cache
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="synthesis")
        self.frame_ms = frame_ms
        self._silences: dict[Format, bytes] = {}
        self._productions: dict[str, Production] = {}

    @property
    def capabilities(self) -> EngineCapabilities:
        """What the engine can do."""
        return self._engine.capabilities

    async def start(self) -> None:
        """Start the engine.

        Raises:
            EngineUnavailableError: It can't be used.
        """
        await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.start)

    async def warm_up(self) -> None:
        """Render a word in every voice and encoding, so that no user waits for what is loaded when it is first used."""

        def work() -> None:
            for voice in self.capabilities.voices:
                for audio_format in _WARM_FORMATS:
                    render(self._engine, "a", voice, audio_format, self.frame_ms, _discard, _never)

        await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def stop(self) -> None:
        """Stop the engine; waits for sentences in progress."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.stop)
        self._threads.shutdown()

    async def frames(self, span: Span, audio_format: Format, voice_name: str = "") -> AsyncGenerator[Batch, None]:
        """Yield a sentence's frames as they come into being; the engine stops when nobody listens.

        Raises:
            SpeechError: unknown_locale, unknown_voice.
            EngineError: The engine failed.
        """
        voice = voice_for(self.capabilities, span.locale, voice_name)
        key = cache_key(
            capabilities=self.capabilities,
            voice=voice,
            locale=span.locale,
            text=span.text,
            audio_format=audio_format,
            frame_ms=self.frame_ms,
        )
        remembered = self._cache.remembered(key)
        if remembered is not None:
            _SENTENCES.add(1, {"source": Source.MEMORY.value})
            yield Batch(frames=remembered, span=span, source=Source.MEMORY)
            return
        production = self._productions.get(key)
        if production is None:
            production = self._produce(key, span, voice, audio_format)
        async with aclosing(production.listen()) as heard:
            async for frames, source in heard:
                yield Batch(frames=frames, span=span, source=source)

    def _produce(self, key: str, span: Span, voice: Voice, audio_format: Format) -> Production:
        async def make(production: Production) -> None:
            stored = await self._cache.fetch(key)
            _SENTENCES.add(1, {"source": (Source.ENGINE if stored is None else Source.SHARED).value})
            if stored is not None:
                production.add(stored, Source.SHARED)
                return
            async with aclosing(self._rendered(span, voice, audio_format)) as batches:
                async for frames in batches:
                    production.add(frames, Source.ENGINE)
            if production.frames:
                self._cache.keep(key, production.frames)

        def ended(production: Production) -> None:
            if self._productions.get(key) is production:
                del self._productions[key]

        production = self._productions[key] = Production(make, ended)
        return production

    async def _rendered(self, span: Span, voice: Voice, audio_format: Format) -> AsyncGenerator[Frames, None]:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[Frames | None] = asyncio.Queue()
        stop = threading.Event()

        def emit(frames: Frames) -> None:
            loop.call_soon_threadsafe(arrived.put_nowait, frames)

        def work() -> None:
            try:
                render(self._engine, span.text, voice, audio_format, self.frame_ms, emit, stop.is_set)
            finally:
                loop.call_soon_threadsafe(arrived.put_nowait, None)

        rendering = loop.run_in_executor(self._threads, work)
        try:
            while (frames := await arrived.get()) is not None:
                yield frames
            await rendering
        finally:
            stop.set()
            if not rendering.done():
                # It ends within 100 ms; nobody waits for it, and what it still raises concerns nobody.
                rendering.add_done_callback(lambda future: future.cancelled() or future.exception())

    def silence(self, audio_format: Format) -> bytes:
        """Return one frame without sound."""
        if audio_format not in self._silences:
            self._silences[audio_format] = silence(audio_format, self.frame_ms)
        return self._silences[audio_format]

    async def phonemise(self, words: Sequence[str], locale: str) -> list[list[str]]:
        """Return each word's phonemes in IPA.

        Raises:
            SpeechError: unknown_locale; too_many_words, word_too_long; phonemes_unsupported: the engine has none.
            EngineError: The engine failed.
        """
        voice = voice_for(self.capabilities, locale)
        if not self.capabilities.phonemes:
            raise SpeechError(f"{self.capabilities.name} has no phonemes", code="phonemes_unsupported")
        if len(words) > MOST_WORDS:
            raise SpeechError(f"{len(words)} words; at most {MOST_WORDS} at a time", code="too_many_words")
        if any(len(word) > LONGEST_WORD for word in words):
            raise SpeechError(f"a word has more than {LONGEST_WORD} characters", code="word_too_long")
        # NUL would end the text for a C library.
        words = [word.replace("\0", "") for word in words]
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.phonemise, words, voice)


def _discard(_frames: Frames) -> None:
    """Take frames that nobody wants."""


def _never() -> bool:
    return False
