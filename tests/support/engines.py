"""What the engine tests share."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earshot_asr.engines.base import (
    NO_PHRASES,
    Engine,
    Interim,
    Locale,
    Phrases,
    Recognition,
    RecognitionStream,
    Vocabulary,
)
from support.speech import silence, synthesise

ENGLISH = Locale("en-US")
MANDARIN = Locale("zh-CN")
LOCALES = (ENGLISH, MANDARIN)
SENTENCES = Path(__file__).parents[1] / "asr_engines" / "sentences"
FRAME_BYTES = 1280


def documents(locale: str, *skills: str) -> tuple[str, ...]:
    """Return the sentence files of some skills, or of all."""
    wanted = skills or tuple(sorted(path.stem for path in (SENTENCES / locale).glob("*.yaml")))
    return tuple((SENTENCES / locale / f"{skill}.yaml").read_text(encoding="utf-8") for skill in wanted)


def vocabulary(*locales: Locale, skills: tuple[str, ...] = (), revision: int = 1) -> Vocabulary:
    """Return a vocabulary of some skills, or of all."""
    return Vocabulary(revision=revision, locales={locale: documents(locale, *skills) for locale in locales})


def spoken(text: str, locale: str, *, voice: str | None = None) -> bytes:
    """Return synthesised speech between two stretches of silence, as PCM."""
    parts: list[npt.NDArray[np.int16]] = [silence(0.2), synthesise(text, locale, voice=voice), silence(0.6)]
    return np.concatenate(parts).tobytes()


async def feed(stream: RecognitionStream, pcm: bytes) -> None:
    """Feed audio in frames of 40 ms, as fast as the engine takes them."""
    for start in range(0, len(pcm), FRAME_BYTES):
        await stream.feed(pcm[start : start + FRAME_BYTES])


async def recognise(engine: Engine, pcm: bytes, locale: Locale, phrases: Phrases = NO_PHRASES) -> Recognition:
    """Return what an engine makes of a whole utterance of a household with phrases of its own."""
    async with await engine.open(locale, phrases) as stream:
        await feed(stream, pcm)
        return await stream.finish()


async def transcribe(engine: Engine, text: str, locale: Locale, *, voice: str | None = None) -> str:
    """Say a text to an engine and return its best transcript; empty if it was rejected."""
    recognition = await recognise(engine, spoken(text, locale, voice=voice), locale)
    return recognition.alternatives[0].transcript if recognition.alternatives else ""


async def collect_interims(stream: RecognitionStream) -> list[Interim]:
    """Return every interim result until the stream ends."""
    interims: list[Interim] = []
    while (interim := await stream.interim()) is not None:
        interims.append(interim)
    return interims


async def until(condition: object, *, timeout_s: float = 5.0) -> None:
    """Wait until a function returns something true."""
    assert callable(condition)
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
