"""Mandarin speech with its words, and how much of it an engine takes: what `make eval-asr` and `bench.engines` measure.

    commands()                    sentences of the skills in the checkout
    documents()                   sentence templates of those skills, for a vocabulary
    synthesised()                 the commands, each by several of espeak's voices
    recordings(folder)            real clips of talkers, and what they say; needs the optional data folder
    others(folder)                real clips of which no command is in the vocabulary: what must be refused
    await measure(engine, clips)  word for word, rejected, and seconds of CPU

`python -m bench.mandarin [MODEL]` prints the figures of the built-in fallback, or of CMU's model in a directory.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from earshot_asr.engines.base import Engine, Locale, Vocabulary
from earshot_asr.engines.factory import create_engine
from earshot_asr.engines.settings import EngineSettings
from support.data import data_folder
from support.engines import recognise, spoken

LOCALE = Locale("zh-CN")
ROOT = Path(__file__).resolve().parents[2]
VOICES = ("cmn", "cmn+f3")
# What the music skill fills in from a library.
_MUSIC = {
    "genre": ("爵士", "摇滚", "流行", "古典", "民谣"),
    "title": ("晨光", "蓝色的河", "安静的街道", "纸船"),
    "artist": ("灯笼乐队", "老港湾"),
    "album": ("港口", "四季"),
}
_NOTHING = '["没有这样的音乐"]'
_COMMANDS = (
    "现在几点了", "几点了", "东京现在几点", "纽约现在几点", "今天几号", "今天星期几", "明天星期几", "后天几号",
    "天气怎么样", "北京天气怎么样", "上海明天会下雨吗", "今天天气怎么样", "明天天气怎么样", "后天要带伞吗",
    "伦敦现在多少度", "巴黎明天天气怎么样", "深圳周末天气怎么样", "我住在上海", "播放音乐", "播放爵士的音乐", "放一首纸船",
    "播放灯笼乐队的歌", "我想听摇滚", "暂停播放", "继续播放", "下一首", "上一首", "换一首歌", "音量调到百分之三十",
    "声音大一点", "声音小一点", "静音", "这是什么歌", "设一个十分钟的计时器", "设置一个五分钟的计时器", "定一个十秒的计时器",
    "倒计时三分钟", "计时二十分钟", "十分钟", "半小时后叫我", "面条计时器还剩多久", "还有多久", "取消计时器",
    "明天早上七点叫我起床", "设一个六点半的闹钟", "取消所有闹钟", "每天七点半叫我起床", "停止", "算了", "你能做什么", "再说一遍",
    "不用了",
)  # fmt: skip
# The words of a clip, where its publisher states them.
_RECORDED = {
    "wenet_aishell-BAC009S0724W0121": "广州市房地产中介协会分析",
    "speech_recognition_chinese": "砸自己的脚",
    "porcupine_multiple_keywords_zh": "豪猪咖啡你好水饺",
    "porcupine_豪猪": "豪猪",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One utterance: 16 kHz PCM, and its words."""

    text: str
    pcm: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What an engine made of one clip; no transcript: rejected."""

    clip: Clip
    transcript: str
    confidence: float

    @property
    def exact(self) -> bool:
        """Whether it was word for word, but for spaces and punctuation."""
        return plain(self.transcript) == plain(self.clip.text)


def plain(text: str) -> str:
    """Return a text without spaces and punctuation, in lower case."""
    return "".join(c for c in text.lower() if unicodedata.category(c)[0] not in "PZ")


def commands() -> tuple[str, ...]:
    """Return commands of the clock, weather, music and timer skills and of the assistant itself."""
    return _COMMANDS


def documents(locale: str = LOCALE) -> tuple[str, ...]:
    """Return the sentence templates that those skills register, the music skill's with a small library."""
    files = sorted(ROOT.glob(f"services/skills/*/src/*/sentences/{locale}.yaml"))
    builtin = ROOT / f"services/registry/src/earshot_registry/builtin/{locale}.yaml"
    texts = [path.read_text(encoding="utf-8") for path in (*files, builtin)]
    return tuple(_with_library(text) if _NOTHING in text else text for text in texts)


def _with_library(text: str) -> str:
    for name, values in _MUSIC.items():
        text = text.replace(f"  {name}:\n    values: {_NOTHING}", f"  {name}:\n    values: [{', '.join(values)}]")
    return text


def document_of(texts: Iterable[str]) -> str:
    """Return a document whose sentences are some texts, each an intent of its own."""
    intents = "".join(f"  clip{i}:\n    data:\n      - sentences: ['{plain(text)}']\n" for i, text in enumerate(texts))
    return f"language: zh-CN\nintents:\n{intents}"


def synthesised(voices: Sequence[str] = VOICES) -> tuple[Clip, ...]:
    """Return every command by every voice."""
    return tuple(Clip(text=text, pcm=spoken(text, LOCALE, voice=voice)) for voice in voices for text in commands())


def recordings(folder: Path | None = None) -> tuple[Clip, ...]:
    """Return the real clips whose words are known; none without the optional data folder."""
    root = folder or data_folder()
    if root is None:
        return ()
    return tuple(Clip(text=text, pcm=read(root / "speech" / "zh" / f"{name}.flac")) for name, text in _RECORDED.items())


def others(folder: Path | None = None) -> tuple[Clip, ...]:
    """Return the real clips that are no commands, without words; none without the optional data folder."""
    root = folder or data_folder()
    if root is None:
        return ()
    paths = sorted((root / "speech" / "zh").glob("*.flac"))
    return tuple(Clip(text="", pcm=read(path)) for path in paths if path.stem not in _RECORDED)


def read(path: Path) -> bytes:
    """Return a sound file as 16 kHz PCM."""
    import soundfile  # noqa: PLC0415 - loads a shared library
    import soxr  # noqa: PLC0415 - likewise

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    resampled = soxr.resample(samples.mean(axis=1), rate, 16_000)
    pcm: bytes = (resampled * 32767).clip(-32768, 32767).astype(np.int16).tobytes()
    return pcm


async def measure(engine: Engine, clips: Iterable[Clip]) -> tuple[Heard, ...]:
    """Return what an engine with its vocabulary in force makes of some clips, one after the other."""
    heard = []
    for clip in clips:
        recognition = await recognise(engine, clip.pcm, LOCALE)
        best = recognition.alternatives[0] if recognition.alternatives else None
        heard.append(
            Heard(
                clip=clip,
                transcript=best.transcript if best else "",
                confidence=best.confidence if best else 0.0,
            )
        )
    return tuple(heard)


async def main(model: Path | None) -> None:
    """Measure one model and print."""
    with tempfile.TemporaryDirectory() as cache:
        engine = create_engine(EngineSettings(cache=Path(cache), mandarin_model=model, workers=1))
        await engine.start()
        try:
            clips = recordings()
            for name, chosen, extra in (
                ("commands, synthesised", synthesised(), ()),
                ("recordings", clips, (document_of(clip.text for clip in clips),) if clips else ()),
            ):
                if not chosen:
                    print(f"{name}: none without the optional data folder")
                    continue
                await engine.set_vocabulary(Vocabulary(revision=1, locales={LOCALE: (*documents(), *extra)}))
                heard = await measure(engine, chosen)
                print(f"{name}: {sum(h.exact for h in heard)} of {len(heard)} word for word")
                for wrong in heard:
                    if not wrong.exact:
                        print(f"  {wrong.clip.text}: {wrong.transcript or '(rejected)'} {wrong.confidence:.2f}")
            if foreign := others():
                await engine.set_vocabulary(Vocabulary(revision=2, locales={LOCALE: documents()}))
                taken = [heard.transcript for heard in await measure(engine, (*clips, *foreign)) if heard.transcript]
                print(f"other speech: {len(taken)} of {len(clips) + len(foreign)} taken for a command {taken}")
        finally:
            await engine.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
