from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import numpy as np
import pytest

from earshot_asr.engines.base import Engine, Locale, Rejection, Vocabulary
from earshot_asr.engines.errors import (
    OddByteCountError,
    RecognizerBusyError,
    RecognizerStoppedError,
    StreamClosedError,
    UnsupportedLocaleError,
    VocabularyMissingError,
)
from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from support.data import require_data
from support.engines import (
    ENGLISH,
    LOCALES,
    MANDARIN,
    feed,
    recognise,
    spoken,
    transcribe,
    vocabulary,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEMO = [
    ("what time is it in Tokyo", ENGLISH),
    ("play some jazz", ENGLISH),
    ("what's the weather in Paris tomorrow", ENGLISH),
    ("现在几点了", MANDARIN),
]
ENGLISH_COMMANDS = [
    "what time is it",
    "what's the time in New York",
    "tell me the time in Sydney",
    "what day is it tomorrow",
    "how's the weather in London",
    "do I need an umbrella tomorrow",
    "play some classical music",
    "put on something by Mara Voss",
    "pause the music",
    "what is the forecast in San Francisco next week",
    "play paper boats by the lanterns",
    "play lo-fi music",
]
MANDARIN_COMMANDS = [
    "东京现在几点",
    "北京天气怎么样",
    "播放爵士乐",
    "放点摇滚音乐",
    "继续播放",
    "暂停",
    "下一首",
    "换一首",
]


@pytest.mark.parametrize(("text", "locale"), DEMO)
async def test_demo_utterances_are_recognised(serving: PocketsphinxEngine, text: str, locale: Locale) -> None:
    """The utterances that `make run` speaks come back word for word, names with their capitals."""
    recognition = await recognise(serving, spoken(text, locale), locale)
    best = recognition.alternatives[0]
    assert best.transcript == text
    assert recognition.rejection is Rejection.NONE
    assert recognition.engine == "pocketsphinx/5.1.1"
    assert recognition.registry_revision == 1
    assert recognition.audio_duration == pytest.approx(len(spoken(text, locale)) / 32_000)
    assert all(0 <= alternative.confidence <= best.confidence <= 1 for alternative in recognition.alternatives)
    assert "".join(word.text for word in best.words) == best.transcript.replace(" ", "")
    offsets = [offset for word in best.words for offset in (word.start_offset, word.end_offset)]
    assert offsets == sorted(offsets)
    assert offsets[-1] <= recognition.audio_duration


async def test_most_commands_are_recognised(serving: PocketsphinxEngine) -> None:
    """Of a dozen English commands at most one is wrong, of eight Mandarin ones on the English model at most four."""
    english = [await transcribe(serving, text, ENGLISH) for text in ENGLISH_COMMANDS]
    assert sum(a.lower() == b.lower() for a, b in zip(english, ENGLISH_COMMANDS, strict=True)) >= 11
    mandarin = [await transcribe(serving, text, MANDARIN) for text in MANDARIN_COMMANDS]
    assert sum(a == b for a, b in zip(mandarin, MANDARIN_COMMANDS, strict=True)) >= 4


async def test_several_readings_differ(serving: PocketsphinxEngine) -> None:
    """N-best alternatives are different sentences, best first."""
    recognition = await recognise(serving, spoken("what's the weather in Paris tomorrow", ENGLISH), ENGLISH)
    transcripts = [alternative.transcript for alternative in recognition.alternatives]
    assert len(transcripts) > 1
    assert len(set(transcripts)) == len(transcripts)
    confidences = [alternative.confidence for alternative in recognition.alternatives]
    assert confidences == sorted(confidences, reverse=True)


async def test_interim_results_grow_to_the_sentence(serving: PocketsphinxEngine) -> None:
    """Fed at the pace of speech, results come at least every 300 ms of it and end in the sentence."""
    pcm = spoken("what's the weather in Paris tomorrow", ENGLISH)
    heard = []
    async with await serving.open(ENGLISH) as stream:
        for start in range(0, len(pcm) - 19_200, 6400):
            await stream.feed(pcm[start : start + 6400])
            try:
                async with asyncio.timeout(0.5):
                    interim = await stream.interim()
            except TimeoutError:
                continue
            assert interim is not None
            heard.append(interim)
    assert len(heard) >= 4
    assert heard[-1].transcript.endswith("tomorrow")
    assert all(later.audio_offset > earlier.audio_offset for earlier, later in itertools.pairwise(heard))


async def test_result_does_not_depend_on_framing_or_neighbours(serving: PocketsphinxEngine) -> None:
    """Whole, in odd-sized pieces, alone or beside five others: the same audio gives the same result."""
    pcm = spoken("play some jazz", ENGLISH)
    alone = await recognise(serving, pcm, ENGLISH)
    async with await serving.open(ENGLISH) as stream:
        for start in range(0, len(pcm), 998):
            await stream.feed(pcm[start : start + 998])
        assert await stream.finish() == alone
    others = ["what time is it", "pause the music", "现在几点了", "next song", "播放音乐"]
    locales = [MANDARIN if text[0] > "z" else ENGLISH for text in others]
    crowd = [recognise(serving, spoken(text, locale), locale) for text, locale in zip(others, locales, strict=True)]
    together = await asyncio.gather(recognise(serving, pcm, ENGLISH), *crowd)
    assert together[0] == alone
    assert len({recognition.alternatives[0].transcript for recognition in together if recognition.alternatives}) > 3


async def test_pause_prepares_the_result_and_resuming_drops_it(serving: PocketsphinxEngine) -> None:
    """A prepared result is used when only silence follows, and made anew when speech goes on."""
    first, second = spoken("play some", ENGLISH)[:-19_200], spoken("jazz", ENGLISH)
    whole = await recognise(serving, first + second, ENGLISH)
    async with await serving.open(ENGLISH) as stream:
        await feed(stream, first)
        await stream.speech_paused()
        await stream.speech_resumed()
        await feed(stream, second)
        await stream.speech_paused()
        await asyncio.sleep(0.3)
        assert (await stream.finish()).alternatives == whole.alternatives


@pytest.mark.parametrize("locale", LOCALES)
async def test_silence_is_no_speech(serving: PocketsphinxEngine, locale: Locale) -> None:
    """Silence, and no audio at all, are rejected as no speech."""
    for pcm in (b"", bytes(32_000)):
        recognition = await recognise(serving, pcm, locale)
        assert recognition.alternatives == ()
        assert recognition.rejection is Rejection.NO_SPEECH


async def test_other_speech_is_not_for_us(serving: PocketsphinxEngine) -> None:
    """Sentences of which no skill knows a word are mostly rejected, and never sure."""
    sentences = [
        "the committee postponed its quarterly budget hearing",
        "seventeen elephants wandered through abandoned vineyards",
        "my grandmother used to bake gingerbread every december",
        "photosynthesis converts sunlight into chemical energy",
    ]
    rejected = 0
    for sentence in sentences:
        recognition = await recognise(serving, spoken(sentence, ENGLISH), ENGLISH)
        rejected += recognition.rejection is Rejection.NOT_FOR_US
        assert not recognition.alternatives or recognition.alternatives[0].confidence < 0.6
    assert rejected >= 2


async def test_noise_is_no_command(serving: PocketsphinxEngine) -> None:
    """Loud noise without speech is not taken for a command."""
    noise = np.random.default_rng(1).normal(0, 2000, 32_000).astype(np.int16).tobytes()
    assert (await recognise(serving, noise, ENGLISH)).rejection is not Rejection.NONE


async def test_misuse_has_codes(serving: PocketsphinxEngine) -> None:
    """Odd byte counts, unknown locales, and streams that are over are told apart."""
    with pytest.raises(UnsupportedLocaleError):
        await serving.open(Locale("fr-FR"))
    stream = await serving.open(ENGLISH)
    with pytest.raises(OddByteCountError):
        await stream.feed(b"\0")
    await stream.feed(b"")
    result = await stream.finish()
    assert await stream.finish() is result
    assert await stream.interim() is None
    with pytest.raises(StreamClosedError):
        await stream.feed(b"\0\0")
    await stream.close()
    await stream.close()
    abandoned = await serving.open(ENGLISH)
    await abandoned.close()
    with pytest.raises(StreamClosedError):
        await abandoned.finish()


async def test_places_are_limited_and_come_back(make_engine: Callable[..., PocketsphinxEngine]) -> None:
    """An utterance more than there are places is refused at once, until another is over."""
    engine = make_engine(streams_per_worker=2)
    await engine.start()
    try:
        with pytest.raises(VocabularyMissingError):
            await engine.open(ENGLISH)
        await engine.set_vocabulary(vocabulary(ENGLISH, skills=("clock",)))
        first, second = await engine.open(ENGLISH), await engine.open(ENGLISH)
        with pytest.raises(RecognizerBusyError):
            await engine.open(ENGLISH)
        await first.close()
        await second.finish()
        async with await engine.open(ENGLISH) as third:
            await third.feed(bytes(640))
    finally:
        await engine.stop()
    with pytest.raises(RecognizerStoppedError):
        await engine.open(ENGLISH)


async def test_engine_and_stream_keep_their_promise(make_engine: Callable[..., PocketsphinxEngine]) -> None:
    """The engine is one by the Protocol, and says what it can do before it is started."""
    engine = make_engine()
    assert isinstance(engine, Engine)
    assert engine.capabilities.locales == frozenset(LOCALES)
    assert engine.capabilities.experimental == frozenset({MANDARIN})


async def test_real_mandarin_on_the_mandarin_model(make_engine: Callable[..., PocketsphinxEngine]) -> None:
    """Recordings of Mandarin speakers are recognised word for word on CMU's model."""
    soundfile = pytest.importorskip("soundfile")
    soxr = pytest.importorskip("soxr")
    clips = {
        "wenet_aishell-BAC009S0724W0121": "广州市房地产中介协会分析",
        "speech_recognition_chinese": "砸自己的脚",
        "porcupine_multiple_keywords_zh": "豪猪咖啡你好水饺",
        "porcupine_豪猪": "豪猪",
    }
    folder = require_data("speech", "zh")
    engine = make_engine(mandarin_model=require_data("models", "zh-CN-tdt"))
    assert MANDARIN not in engine.capabilities.experimental
    await engine.start()
    try:
        intents = "".join(
            f"  clip{i}:\n    data:\n      - sentences: ['{text}']\n" for i, text in enumerate(clips.values())
        )
        mandarin = (*vocabulary(MANDARIN).locales[MANDARIN], f"language: zh\nintents:\n{intents}")
        await engine.set_vocabulary(Vocabulary(revision=1, locales={MANDARIN: mandarin}))
        for name, text in clips.items():
            samples, rate = soundfile.read(folder / f"{name}.flac", dtype="float32", always_2d=True)
            resampled = soxr.resample(samples.mean(axis=1), rate, 16_000)
            pcm = (resampled * 32767).clip(-32768, 32767).astype(np.int16).tobytes()
            recognition = await recognise(engine, pcm, MANDARIN)
            assert [alternative.transcript for alternative in recognition.alternatives[:1]] == [text]
    finally:
        await engine.stop()
