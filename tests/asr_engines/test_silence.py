"""Silence around the words changes neither the words nor their places."""

from __future__ import annotations

import numpy as np
import pytest

from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from earshot_asr.engines.pocketsphinx.noise import Loudness
from support.engines import ENGLISH, recognise, spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND = 32_000


def _loudness(pcm: bytes, frame: int) -> Loudness:
    loudness, heard = Loudness(), bytearray()
    for start in range(0, len(pcm), frame):
        heard += pcm[start : start + frame]
        loudness.measure(heard)
    return loudness


def _tone(seconds: float, amplitude: float) -> bytes:
    return (np.sin(np.arange(int(16_000 * seconds)) * 0.3) * amplitude).astype(np.int16).tobytes()


@pytest.mark.parametrize("frame", [640, 1_280, 9_998, 10 * SECOND])
async def test_what_is_heard_keeps_a_margin(frame: int) -> None:
    """What is heard is found within a tenth of a second, with 0.3 s around it, however the audio was cut."""
    pcm = bytes(2 * SECOND) + _tone(1.0, 8_000) + _tone(3.0, 20)
    heard, start = _loudness(pcm, frame).cut(pcm)
    assert start == pytest.approx(1.7 * SECOND, abs=SECOND / 10)
    assert len(heard) == pytest.approx(1.6 * SECOND, abs=SECOND / 5)
    assert heard == pcm[start : start + len(heard)]


async def test_too_little_silence_is_made_enough() -> None:
    """Speech that begins at once and ends at the end has the same silence around it as any."""
    tone = _tone(1.0, 8_000)
    heard, start = _loudness(tone, 640).cut(tone)
    assert start == -0.3 * SECOND
    assert heard == bytes(-start) + tone + bytes(-start)
    assert _loudness(bytes(SECOND) + tone + bytes(SECOND), 640).cut(bytes(SECOND) + tone + bytes(SECOND))[0] == heard


async def test_nothing_is_cut_where_nothing_is_heard() -> None:
    """Silence alone, and next to nothing, stay as they are."""
    for pcm in (bytes(SECOND), b"", bytes(640)):
        assert _loudness(pcm, 640).cut(pcm) == (pcm, 0)


async def test_a_quiet_end_of_a_word_stays() -> None:
    """A sound 20 dB below the loudest is still part of what was said."""
    pcm = _tone(1.0, 8_000) + _tone(0.5, 800) + bytes(2 * SECOND)
    heard, start = _loudness(pcm, 640).cut(pcm)
    assert start + len(heard) >= 1.5 * SECOND


async def test_words_stay_in_their_places(serving: PocketsphinxEngine) -> None:
    """After three seconds of silence the same words are heard, three seconds later."""
    pcm = spoken("play some jazz", ENGLISH)
    plain = (await recognise(serving, pcm, ENGLISH)).alternatives[0]
    later = (await recognise(serving, bytes(3 * SECOND) + pcm + bytes(2 * SECOND), ENGLISH)).alternatives[0]
    assert later.transcript == plain.transcript == "play some jazz"
    moved = [word.start_offset - before.start_offset for word, before in zip(later.words, plain.words, strict=True)]
    assert moved == pytest.approx([3.0] * 3, abs=0.11)
