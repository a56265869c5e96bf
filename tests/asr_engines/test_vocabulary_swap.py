from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from earshot_asr.engines.base import Locale, Vocabulary
from earshot_asr.engines.errors import VocabularyInvalidError, VocabularyMissingError
from earshot_asr.engines.pocketsphinx.acoustic import english
from earshot_asr.engines.pocketsphinx.bundles import BundleStore
from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from earshot_asr.vocabulary.dictionary import Dictionary
from support.engines import ENGLISH, LOCALES, MANDARIN, documents, feed, recognise, spoken, transcribe, vocabulary


def _cpu_seconds(engine: PocketsphinxEngine) -> float:
    """CPU time of this process, of what it started and has ended, and of the workers: the same under any load."""
    workers = sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in engine.worker_pids)
    return sum(os.times()[:4]) + workers


async def test_new_skill_is_heard_within_two_seconds(
    make_engine: Callable[..., PocketsphinxEngine], tmp_path: Path
) -> None:
    """A skill's words are heard soon after it is registered, and no longer when it is gone; nothing is restarted."""
    engine = make_engine(cache=tmp_path / "empty")
    await engine.start()
    try:
        await engine.set_vocabulary(vocabulary(*LOCALES, skills=("clock",), revision=1))
        assert await transcribe(engine, "play some jazz", ENGLISH) != "play some jazz"
        began = _cpu_seconds(engine)
        await engine.set_vocabulary(vocabulary(*LOCALES, revision=2))
        assert _cpu_seconds(engine) - began < 2
        recognition = await recognise(engine, spoken("play some jazz", ENGLISH), ENGLISH)
        assert recognition.alternatives[0].transcript == "play some jazz"
        assert recognition.registry_revision == 2
        began = _cpu_seconds(engine)
        await engine.set_vocabulary(vocabulary(*LOCALES, skills=("clock",), revision=3))
        assert _cpu_seconds(engine) - began < 0.5
        assert await transcribe(engine, "play some jazz", ENGLISH) != "play some jazz"
    finally:
        await engine.stop()


async def test_utterance_in_progress_keeps_its_vocabulary(engine: PocketsphinxEngine) -> None:
    """What was said under the old vocabulary is recognised with it, though it was swapped meanwhile."""
    pcm = spoken("play some jazz", ENGLISH)
    async with await engine.open(ENGLISH) as stream:
        await feed(stream, pcm[:32_000])
        await engine.set_vocabulary(vocabulary(ENGLISH, skills=("clock",), revision=2))
        await feed(stream, pcm[32_000:])
        recognition = await stream.finish()
    assert recognition.alternatives[0].transcript == "play some jazz"
    assert recognition.registry_revision == 1
    with pytest.raises(VocabularyMissingError):
        await engine.open(MANDARIN)


async def test_last_of_many_changes_wins(engine: PocketsphinxEngine) -> None:
    """Changes that come while another is made are skipped but for the last, and all callers see that one."""
    changes = [vocabulary(ENGLISH, skills=skills, revision=revision) for revision, skills in _CHANGES]
    await asyncio.gather(*(engine.set_vocabulary(change) for change in changes))
    recognition = await recognise(engine, spoken("what time is it", ENGLISH), ENGLISH)
    assert recognition.registry_revision == 5
    assert recognition.alternatives[0].transcript == "what time is it"


async def test_what_is_superseded_is_not_made_to_the_end(
    make_engine: Callable[..., PocketsphinxEngine], tmp_path: Path
) -> None:
    """A vocabulary that another replaces while it is made is given up, but not two in a row."""
    engine = make_engine(cache=tmp_path)
    await engine.start()
    seen: set[int] = set()
    try:
        changing: list[asyncio.Task[None]] = []
        for revision, skills in _CHANGES[:3]:
            change = vocabulary(ENGLISH, skills=skills, revision=revision)
            changing.append(asyncio.create_task(engine.set_vocabulary(change)))
            if revision < 4:
                await _until_another_is_made(seen)
        await asyncio.gather(*changing)
        recognition = await recognise(engine, spoken("play some jazz", ENGLISH), ENGLISH)
    finally:
        await engine.stop()
    assert recognition.registry_revision == 4
    assert len(_bundles(tmp_path)) == 2


async def _until_another_is_made(seen: set[int]) -> None:
    """Wait for a process that makes a vocabulary and was not seen before."""
    async with asyncio.timeout(30):
        while not (new := {child.pid for child in psutil.Process().children() if _makes(child)} - seen):
            await asyncio.sleep(0.005)
    seen |= new


def _bundles(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def _makes(child: psutil.Process) -> bool:
    try:
        return "earshot_asr.engines.pocketsphinx.builder" in child.cmdline()
    except psutil.Error:
        return False


_CHANGES = [(2, ("music",)), (3, ("weather",)), (4, ("music", "weather")), (5, ("clock",))]


async def test_broken_skill_does_not_silence_the_others(engine: PocketsphinxEngine) -> None:
    """Templates that can not be read are left out; a locale of nothing else keeps what it had."""
    broken = Vocabulary(revision=2, locales={ENGLISH: ("intents: [", *documents("en-US", "clock")), MANDARIN: ("{",)})
    with pytest.raises(VocabularyInvalidError, match="zh-CN"):
        await engine.set_vocabulary(broken)
    assert await transcribe(engine, "what time is it", ENGLISH) == "what time is it"
    assert await transcribe(engine, "现在几点了", MANDARIN) == "现在几点了"


async def test_replicas_make_a_bundle_once(tmp_path: Path) -> None:
    """Of replicas that want the same one at the same moment, one makes it and the others take that."""
    asked: list[str] = []

    async def pronounce(_locale: Locale, words: Sequence[str]) -> Mapping[str, str]:
        asked.extend(words)
        return {"vzlutnik": "vzlˈʌtnɪk"}

    replicas = [BundleStore(tmp_path, pronounce) for _ in range(3)]
    bundles = await asyncio.gather(*(replica.get(english(), documents("en-US", "music")) for replica in replicas))
    assert sorted(asked) == ["lo-fi", "vzlutnik"]
    assert bundles == bundles[:1] * 3


async def test_pronouncer_is_asked_once_for_unknown_words(tmp_path: Path) -> None:
    """Words that the dictionary lacks are asked for; who does not answer in time is asked again at the next chance."""
    asked: list[tuple[Locale, tuple[str, ...]]] = []
    answers: list[Mapping[str, str] | None] = [None, {"vzlutnik": "vzlˈʌtnɪk"}]

    async def pronounce(locale: Locale, words: Sequence[str]) -> Mapping[str, str]:
        asked.append((locale, tuple(words)))
        answer = answers.pop(0)
        if answer is None:
            raise OSError("not up yet")
        return answer

    store = BundleStore(tmp_path, pronounce)
    texts = documents("en-US", "music")
    bundle = [await store.get(english(), texts) for _ in range(3)][-1]
    with Dictionary(Path(bundle.order.dictionary)) as dictionary:
        assert dictionary.lookup("vzlutnik") == (("V", "Z", "L", "AH", "T", "N", "IH", "K"),)
    assert [locale for locale, _ in asked] == [ENGLISH, ENGLISH]
    assert "vzlutnik" in asked[0][1]


async def test_bundles_outlive_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same templates are not compiled twice, and other templates do not get their bundle."""
    first = await BundleStore(tmp_path).get(english(), documents("en-US", "clock"))
    monkeypatch.setattr(sys, "executable", "/nowhere")
    again = await BundleStore(tmp_path).get(english(), documents("en-US", "clock"))
    assert again == first
    monkeypatch.undo()
    assert (await BundleStore(tmp_path).get(english(), documents("en-US", "music"))).order.key != first.order.key
    left = await asyncio.to_thread(lambda: {path.suffix for path in tmp_path.glob(".*")})
    # Whoever waits for a lock has it open: one that is removed would hold back nobody.
    assert left <= {".lock"}
