"""Hearing many clips with the engine as it is deployed: its processes, streamed frames, its rejection."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from earshot_asr.engines.base import Locale, Recognition, Vocabulary
from earshot_asr.engines.factory import create_engine
from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from earshot_asr.engines.settings import EngineSettings
from support.engines import FRAME_BYTES, collect_interims, recognise

AT_ONCE = 4
_BYTES_PER_SECOND = 32_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was heard, and what it cost.

    Attributes:
        audio_s: Seconds of audio.
        cpu_s: CPU time of this process and of the decoding ones.
    """

    audio_s: float
    cpu_s: float

    @property
    def rtf(self) -> float:
        """CPU time by audio time."""
        return self.cpu_s / self.audio_s


class Listener:
    """An engine with one vocabulary."""

    def __init__(self, engine: PocketsphinxEngine) -> None:
        """Take an engine that serves."""
        self._engine = engine

    async def hear(self, clips: Sequence[bytes], locale: str) -> list[Recognition]:
        """Return what the engine makes of some PCM, in order, as fast as it can."""
        return await self._each(clips, lambda pcm: recognise(self._engine, pcm, Locale(locale)))

    async def live(self, clips: Sequence[bytes], locale: str, *, interims: bool) -> Cost:
        """Return what it costs to hear some PCM at the pace of speech, with interim results or without."""
        before = self._cpu()
        await self._each(clips, lambda pcm: self._follow(pcm, Locale(locale), interims=interims))
        return Cost(audio_s=sum(map(len, clips)) / _BYTES_PER_SECOND, cpu_s=self._cpu() - before)

    async def _each(self, clips: Sequence[bytes], hear: Callable[[bytes], Awaitable[Recognition]]) -> list[Recognition]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(pcm: bytes) -> Recognition:
            async with gate:
                return await hear(pcm)

        return await asyncio.gather(*map(one, clips))

    async def _follow(self, pcm: bytes, locale: Locale, *, interims: bool) -> Recognition:
        clock = asyncio.get_running_loop()
        async with await self._engine.open(locale) as stream:
            collected = asyncio.create_task(collect_interims(stream)) if interims else None
            began = clock.time()
            for start in range(0, len(pcm), FRAME_BYTES):
                await stream.feed(pcm[start : start + FRAME_BYTES])
                await asyncio.sleep(max(0.0, began + start / _BYTES_PER_SECOND - clock.time()))
            recognition = await stream.finish()
            if collected is not None:
                await collected
        return recognition

    def _cpu(self) -> float:
        spent = [psutil.Process(pid).cpu_times() for pid in self._engine.worker_pids]
        return time.process_time() + sum(one.user + one.system for one in spent)


@asynccontextmanager
async def listener(
    documents: dict[str, tuple[str, ...]], *, mandarin_model: Path | None = None
) -> AsyncIterator[Listener]:
    """Start an engine with the sentences of some skills by locale."""
    with tempfile.TemporaryDirectory(prefix="earshot-eval-") as cache:
        engine = create_engine(EngineSettings(cache=Path(cache), mandarin_model=mandarin_model))
        assert isinstance(engine, PocketsphinxEngine)
        await engine.start()
        try:
            locales = {Locale(locale): texts for locale, texts in documents.items() if texts}
            await engine.set_vocabulary(Vocabulary(revision=1, locales=locales))
            yield Listener(engine)
        finally:
            await engine.stop()
