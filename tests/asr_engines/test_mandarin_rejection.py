"""Mandarin that is for us is told from other speech, by the built-in fallback and by CMU's model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bench.recognition.skills import documents, registered
from earshot_asr.engines.base import Recognition, Rejection, Vocabulary
from earshot_asr.engines.pocketsphinx.acoustic import MANDARIN
from earshot_asr.engines.pocketsphinx.calibration import read_calibration
from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from support.data import require_data
from support.engines import ENGLISH, recognise, spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMANDS = {
    "built in": ("几点了", "播放音乐", "取消所有闹钟", "上海天气怎么样"),
    "cmu": ("播放音乐", "取消闹钟", "静音", "天气怎么样"),
}
OTHER = ("图书馆的灯还亮着", "我妹妹在银行上班", "请把椅子搬到阳台上", "他们吵了一个下午")
FOREIGN = "the gardener left his boots in the shed"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["built in", "cmu"])
async def ears(
    request: pytest.FixtureRequest, make_engine: Callable[..., PocketsphinxEngine]
) -> AsyncIterator[tuple[str, PocketsphinxEngine]]:
    """An engine with the Mandarin sentences of the repository's skills, and which model it has."""
    model: Path | None = require_data("models", "zh-CN-tdt") if request.param == "cmu" else None
    engine = make_engine(mandarin_model=model)
    await engine.start()
    await engine.set_vocabulary(Vocabulary(revision=1, locales={MANDARIN: documents(registered())[MANDARIN]}))
    yield request.param, engine
    await engine.stop()


async def _heard(engine: PocketsphinxEngine, *clips: bytes) -> list[Recognition]:
    return await asyncio.gather(*(recognise(engine, pcm, MANDARIN) for pcm in clips))


async def test_other_speech_is_refused(ears: tuple[str, PocketsphinxEngine]) -> None:
    """Mandarin sentences that no skill understands, and English, are not for us; at most one passes."""
    clips = [*(spoken(text, MANDARIN) for text in OTHER), spoken(FOREIGN, ENGLISH)]
    heard = await _heard(ears[1], *clips)
    assert sum(one.rejection is Rejection.NOT_FOR_US for one in heard) >= len(clips) - 1


async def test_commands_are_taken(ears: tuple[str, PocketsphinxEngine]) -> None:
    """Commands of the skills are taken word for word; at most one is refused or misheard."""
    name, engine = ears
    texts = COMMANDS[name]
    heard = await _heard(engine, *(spoken(text, MANDARIN) for text in texts))
    best = [one.alternatives[0].transcript if one.alternatives else one.rejection for one in heard]
    assert sum(one == text for one, text in zip(best, texts, strict=True)) >= len(texts) - 1, best


async def test_each_model_reads_what_was_learned_for_it(ears: tuple[str, PocketsphinxEngine]) -> None:
    """The fallback and CMU's model have a calibration each, and its limit is the engine's."""
    name, engine = ears
    assert engine.limit(MANDARIN) == read_calibration({"built in": "zh-CN-builtin", "cmu": "zh-CN"}[name]).limit
