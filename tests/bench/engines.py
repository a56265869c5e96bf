"""What the embedded recogniser takes and gives: `PYTHONPATH=tests python -m bench.engines [MANDARIN_MODEL]`.

Speech is synthesised, the vocabulary is that of the skills in the checkout. Times are of this machine at this moment.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import psutil

from earshot_asr.engines.base import Locale, Recognition, Vocabulary
from earshot_asr.engines.factory import create_engine
from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from earshot_asr.engines.settings import EngineSettings
from support.engines import ENGLISH, LOCALES, MANDARIN, documents, feed, spoken

ROOT = Path(__file__).resolve().parents[2]
VOICES = {ENGLISH: ("en-us", "en-us+f3", "en-us+m3"), MANDARIN: ("cmn", "cmn+f3", "cmn+m3")}
COMMANDS = {
    ENGLISH: (
        "what time is it in Tokyo", "play some jazz", "what's the weather in Paris tomorrow", "what time is it",
        "what's the time in New York", "tell me the time in Sydney", "what's the date", "how's the weather in London",
        "will it rain in Berlin on Saturday", "do I need an umbrella tomorrow", "play some classical music",
        "pause the music", "stop the music", "resume", "next song", "how warm is it in Madrid",
        "what is the forecast in San Francisco next week", "please what time is it in Cairo", "what can you do",
        "never mind", "what is the temperature in Oslo", "what's the weather like this weekend",
    ),
    MANDARIN: (
        "现在几点了", "东京现在几点", "今天星期几", "明天几号", "北京天气怎么样", "上海明天会下雨吗", "今天天气怎么样",
        "明天要带伞吗", "播放爵士乐", "暂停", "停止播放", "继续播放", "下一首", "换一首", "请问现在几点", "伦敦后天天气如何",
        "播放音乐", "纽约现在几点", "今天几号", "明天会下雨吗", "我住在上海", "后天多少度",
    ),
}  # fmt: skip


def skill_documents(locale: str) -> tuple[str, ...]:
    """Return the sentences of clock, weather and the assistant as they are, and of a small music library."""
    files = [
        *(ROOT / "services/skills").glob(f"[cw]*/src/*/sentences/{locale}.yaml"),
        ROOT / f"services/registry/src/earshot_registry/builtin/{locale}.yaml",
    ]
    return (*(path.read_text(encoding="utf-8") for path in sorted(files)), *documents(locale, "music"))


async def timed_recognition(engine: PocketsphinxEngine, pcm: bytes, locale: Locale) -> tuple[Recognition, float, float]:
    """Return the result, the seconds from the last frame to it, and the seconds with a hint before the silence."""
    async with await engine.open(locale) as stream:
        await feed(stream, pcm)
        await asyncio.sleep(0.3)
        began = time.perf_counter()
        recognition = await stream.finish()
        plain = time.perf_counter() - began
    async with await engine.open(locale) as stream:
        await feed(stream, pcm)
        await stream.speech_paused()
        await asyncio.sleep(0.6)
        began = time.perf_counter()
        await stream.finish()
    return recognition, plain, time.perf_counter() - began


def cpu_seconds(engine: PocketsphinxEngine) -> float:
    """Return the CPU time of the decoding processes."""
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in engine.worker_pids)


async def measure_locale(engine: PocketsphinxEngine, locale: Locale) -> None:
    """Print how much of a locale's commands is recognised, and how fast."""
    right = total = 0
    audio = 0.0
    plain: list[float] = []
    hinted: list[float] = []
    began = cpu_seconds(engine)
    for voice in VOICES[locale]:
        for text in COMMANDS[locale]:
            pcm = spoken(text, locale, voice=voice)
            recognition, without_hint, with_hint = await timed_recognition(engine, pcm, locale)
            best = recognition.alternatives[0].transcript if recognition.alternatives else ""
            right += best.lower() == text.lower()
            total += 1
            audio += 2 * len(pcm) / 32_000
            plain.append(without_hint)
            hinted.append(with_hint)
    middle = total // 2
    print(
        f"{locale}: {right} of {total} word for word, {(cpu_seconds(engine) - began) / audio:.3f} CPU s per s of audio"
    )
    print(f"  last frame to final: p50 {sorted(plain)[middle] * 1e3:.0f} ms, with a hint at the pause "
          f"{sorted(hinted)[middle] * 1e3:.1f} ms")  # fmt: skip


async def main(mandarin_model: Path | None) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as cache:
        engine = create_engine(EngineSettings(cache=Path(cache), mandarin_model=mandarin_model))
        if not isinstance(engine, PocketsphinxEngine):
            raise TypeError
        began = time.perf_counter()
        await engine.start()
        print(f"processes up: {time.perf_counter() - began:.2f} s")
        everything = {locale: skill_documents(locale) for locale in LOCALES}
        fewer = {locale: texts[:-1] for locale, texts in everything.items()}
        for revision, (what, locales) in enumerate(
            [("all skills, first time", everything), ("one skill less", fewer), ("all skills again", everything)], 1
        ):
            began = time.perf_counter()
            await engine.set_vocabulary(Vocabulary(revision=revision, locales=locales))
            print(f"vocabulary in force, {what}: {time.perf_counter() - began:.2f} s")
        for locale in LOCALES:
            await measure_locale(engine, locale)
        unshared = [psutil.Process(pid).memory_full_info().uss >> 20 for pid in engine.worker_pids]
        print(f"memory of each decoding process: {unshared} MB")
        await engine.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
