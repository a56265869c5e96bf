from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import pytest_asyncio

from earshot_asr.engines.base import Engine, Locale, Rejection, Vocabulary
from earshot_asr.engines.errors import (
    OddByteCountError,
    RecognizerBusyError,
    RecognizerStoppedError,
    StreamClosedError,
    UnsupportedLocaleError,
    WorkerDiedError,
)
from earshot_asr.engines.factory import create_engine
from earshot_asr.engines.settings import EngineSettings
from earshot_asr.engines.sherpa.discovery import SherpaModel
from earshot_asr.engines.sherpa.engine import SherpaEngine
from earshot_asr.engines.sherpa.hearing import BATCH, Hearing
from earshot_asr.engines.sherpa.orders import RecogniserOrder
from earshot_asr.engines.sherpa.recogniser import Recogniser, Stream
from earshot_asr.engines.workers.frames import Kind, Reader, encode
from support.engines import ENGLISH, MANDARIN, collect_interims, feed, recognise
from support.transducer import CHUNK_FRAMES, SAMPLE_RATE, TONES, make_model, tones

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = """
language: zh
intents:
  open: {data: [{sentences: ["<open>{what}"]}]}
expansion_rules: {open: "开"}
lists: {what: {values: ["开灯", "Oslo"]}}
"""
PHRASE = ("▁TURN", "▁ON", "▁LIGHT", "S")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network that understands tones."""
    return make_model(tmp_path_factory.mktemp("models") / "tones")


@pytest.fixture(scope="module")
def make(model: Path) -> Callable[..., SherpaEngine]:
    """Make engines that are not started, of one process unless told otherwise."""

    def engine(**settings: Any) -> SherpaEngine:
        made = create_engine(EngineSettings(**{"engine": "sherpa", "sherpa_model": model, "workers": 1, **settings}))
        assert isinstance(made, SherpaEngine)
        return made

    return engine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serving(make: Callable[..., SherpaEngine]) -> AsyncIterator[SherpaEngine]:
    """One engine for the tests that leave its process alone."""
    async with started(make()) as engine:
        yield engine


@asynccontextmanager
async def started(engine: SherpaEngine) -> AsyncIterator[SherpaEngine]:
    """Start an engine, and stop it however the test ends."""
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def names(revision: int = 1) -> Vocabulary:
    """Return a vocabulary with the names "开灯" and "Oslo"."""
    return Vocabulary(revision=revision, locales={MANDARIN: (NAMES,), ENGLISH: (NAMES,)})


def sounding(hertz: float, loudness: float = 1.0) -> bytes:
    """Return half a second of one pitch between silences."""
    time = np.arange(8000) / SAMPLE_RATE
    tone = (np.sin(2 * np.pi * hertz * time) * np.hanning(8000) ** 0.25 * 9000 * loudness).astype(np.int16)
    return bytes(8000) + tone.tobytes() + bytes(16_000)


def order_of(model: Path) -> RecogniserOrder:
    """Return what a process that decodes this model is told."""
    found = SherpaModel.find(model)
    files = {name: str(getattr(found, name)) for name in ("encoder", "decoder", "joiner", "tokens")}
    return RecogniserOrder(
        **files,
        pieces="",
        kind=found.kind,
        unit="",
        hot_word_score=0.0,
        chunk_frames=found.chunk_frames,
        window_frames=found.window_frames,
        threads=1,
        silence_s=0.8,
        no_speech_s=5.0,
        longest_s=30.0,
    )


class Watched(Recogniser):
    """A loaded network that counts whom it decodes together."""

    def __init__(self, order: RecogniserOrder) -> None:
        """Load it."""
        super().__init__(order)
        self.together: list[int] = []

    def decode(self, streams: list[Stream]) -> None:
        """Decode one chunk of each."""
        self.together.append(len(streams))
        super().decode(streams)


async def heard(engine: Engine, *tokens: str, locale: Locale = MANDARIN) -> str:
    """Say tokens to an engine and return its transcript."""
    recognition = await recognise(engine, tones(*tokens), locale)
    return recognition.alternatives[0].transcript if recognition.alternatives else ""


async def test_tones_are_heard_as_their_words(serving: SherpaEngine) -> None:
    """A loaded network's tokens become words, each in its place, in lower case, Mandarin without spaces."""
    pcm = tones(*PHRASE, "开", "等")
    recognition = await recognise(serving, pcm, ENGLISH)
    (best,) = recognition.alternatives
    assert best.transcript == "turn on lights开等"
    assert [word.text for word in best.words] == ["turn", "on", "lights", "开", "等"]
    # Tones of 0.24 s, 0.12 s apart, after 0.2 s of silence; tokens come in steps of 40 ms.
    expected = [0.2, 0.56, 0.92, 1.64, 2.0]
    assert [word.start_offset for word in best.words] == pytest.approx(expected, abs=0.081)
    assert all(word.start_offset < word.end_offset <= recognition.audio_duration for word in best.words)
    assert all(0.3 < word.confidence <= 1 for word in best.words)
    assert recognition.engine == "sherpa/2.0.1+tones"
    assert recognition.audio_duration == len(pcm) / 32_000


async def test_a_word_at_the_very_end_is_heard(serving: SherpaEngine) -> None:
    """The network looks ahead, and the last chunk is seldom full: neither costs the last word."""
    for before in (0.0, 0.1, 0.2, 0.3):
        pcm = tones("▁TURN", "▁ON", before=before, after=0.0)[: -round(0.12 * 32_000)]
        assert (await recognise(serving, pcm, ENGLISH)).alternatives[0].transcript == "turn on"


async def test_engine_keeps_the_promise_of_the_protocol(serving: SherpaEngine) -> None:
    """It is an engine like the other, says what it can do, and tells misuse apart by its code."""
    assert isinstance(serving, Engine)
    assert serving.capabilities.locales == {ENGLISH, MANDARIN}
    assert serving.capabilities.endpoints
    with pytest.raises(UnsupportedLocaleError):
        await serving.open(Locale("fr-FR"))
    stream = await serving.open(ENGLISH)
    with pytest.raises(OddByteCountError):
        await stream.feed(b"\0")
    await stream.feed(b"")
    await stream.speech_paused()
    await stream.speech_resumed()
    result = await stream.finish()
    assert await stream.finish() is result
    assert await stream.interim() is None
    with pytest.raises(StreamClosedError):
        await stream.feed(b"\0\0")
    await stream.close()
    await stream.close()
    abandoned = await serving.open(ENGLISH)
    await abandoned.feed(tones("开"))
    await abandoned.close()
    with pytest.raises(StreamClosedError):
        await abandoned.finish()


async def test_result_does_not_depend_on_framing_or_neighbours(serving: SherpaEngine) -> None:
    """The same audio gives the same result, in pieces of any size, alone or decoded together with seven others."""
    pcm = tones(*PHRASE, "1.0", "早")
    alone = await recognise(serving, pcm, MANDARIN)
    for size in (2, 998, 70_000):
        step = size if size > 100 else len(pcm)
        async with await serving.open(MANDARIN) as stream:
            await stream.feed(pcm[:size])
            for start in range(size, len(pcm), step):
                await stream.feed(pcm[start : start + step])
            assert await stream.finish() == alone
    others = [("早",), ("开", "等"), ("▁ON",), ("1.5", "早"), ("▁TURN", "▁ON"), ("2.5", "等"), ("开",)]
    said = ["早", "开等", "on", "晚", "turn on", "等", "开"]
    together = await asyncio.gather(
        recognise(serving, pcm, MANDARIN), *(recognise(serving, tones(*other), MANDARIN) for other in others)
    )
    assert together[0] == alone
    assert [recognition.alternatives[0].transcript for recognition in together[1:]] == said


async def test_every_stream_begins_anew_and_keeps_its_own_state(serving: SherpaEngine) -> None:
    """What the network remembers is each stream's own: one tone means two words, early and late in an utterance."""
    assert await heard(serving, "早") == "早"
    assert await heard(serving, "1.6", "早") == "晚"
    assert await heard(serving, "早") == "早"


async def test_interim_results_come_while_audio_does(serving: SherpaEngine) -> None:
    """A word is told when the chunk that it is in is complete, long before the utterance is over."""
    chunk_s = CHUNK_FRAMES / 100
    said, fed = [], 0
    async with await serving.open(ENGLISH) as stream:
        for token, text in (
            ("▁TURN", "turn"),
            ("▁ON", "turn on"),
            ("▁LIGHT", "turn on light"),
            ("S", "turn on lights"),
        ):
            pcm = tones(token, before=0.0, after=0.66)
            await feed(stream, pcm)
            fed += len(pcm)
            while (interim := await stream.interim()) is not None and interim.transcript != text:
                assert text.startswith(interim.transcript)
            assert interim is not None
            assert interim.audio_offset <= fed / 32_000
            assert round(interim.audio_offset / chunk_s, 6) == round(interim.audio_offset / chunk_s)
            said.append(interim.audio_offset)
        rest = asyncio.create_task(collect_interims(stream))
        assert (await stream.finish()).alternatives[0].transcript == "turn on lights"
        await rest
    assert said == sorted(set(said))


async def test_silence_after_words_is_an_endpoint_and_speech_may_go_on(serving: SherpaEngine) -> None:
    """The end of speech is told once it is over, at the same place in every run, and later words join the earlier."""
    before, after = tones("开", "等", after=1.6), tones("▁ON")
    ends = []
    for size in (1280, 6400):
        async with await serving.open(MANDARIN) as stream:
            for start in range(0, len(before), size):
                await stream.feed(before[start : start + size])
            while (interim := await stream.interim()) is not None and interim.end_of_speech is None:
                pass
            ends.append(interim)
            await feed(stream, after)
            (best,) = (await stream.finish()).alternatives
        assert [word.text for word in best.words] == ["开", "等", "on"]
        assert best.words[2].start_offset == pytest.approx(len(before) / 32_000 + 0.2, abs=0.081)
    assert ends[0] == ends[1]
    (end, _) = ends
    assert end is not None
    assert end.transcript == "开等"
    # Words end at 0.8 s; 0.8 s of silence end the utterance, seen in steps of a chunk and what it looks ahead.
    assert end.end_of_speech == pytest.approx(0.8, abs=0.15)
    assert 1.6 <= end.audio_offset <= 2.1


async def test_silence_and_strange_sounds_are_refused(serving: SherpaEngine) -> None:
    """Silence is no speech; loud sound without words is not for us."""
    for pcm in (b"", bytes(32_000)):
        recognition = await recognise(serving, pcm, ENGLISH)
        assert (recognition.alternatives, recognition.rejection) == ((), Rejection.NO_SPEECH)
    # Half way between two tokens' pitches.
    recognition = await recognise(serving, sounding(6500.0), ENGLISH)
    assert (recognition.alternatives, recognition.rejection) == ((), Rejection.NOT_FOR_US)


async def test_what_is_said_indistinctly_is_believed_less(serving: SherpaEngine) -> None:
    """A word's confidence is the network's own: the weaker its sound, the less it is believed."""
    believed = []
    for loudness in (0.5, 0.2, 0.1):
        recognition = await recognise(serving, sounding(TONES["▁TURN"], loudness), ENGLISH)
        believed.append(recognition.alternatives[0].words[0].confidence)
    assert believed == sorted(believed, reverse=True)
    assert believed[0] > believed[-1] + 0.1


async def test_utterances_go_through_the_network_together(model: Path) -> None:
    """Whoever has a chunk of audio is decoded in one call with the others, and each hears its own words."""
    network = Watched(order_of(model))
    hearing = Hearing(network)
    said = (("开", "等"), ("早",), ("▁ON",)) * 4
    for number, words in enumerate(said):
        for kind, body in ((Kind.OPEN, {"key": "", "phrases": {}}), (Kind.FEED, tones(*words)), (Kind.FINISH, {})):
            assert not list(hearing.take(next(iter(Reader().push(encode(kind, number, body))))))
    finals = {}
    while (answers := hearing.step()) is not None:
        for frame in Reader().push(b"".join(answers)):
            if frame.kind is Kind.FINAL:
                finals[frame.stream] = [text for text, *_ in frame.json()["words"]]
    assert finals == {number: [word.removeprefix("▁") for word in words] for number, words in enumerate(said)}
    assert max(network.together) == BATCH
    assert sum(network.together) > 4 * len(network.together)


async def test_a_network_has_as_many_threads_as_it_is_given(make: Callable[..., SherpaEngine]) -> None:
    """A decoding process computes on the threads that its settings say."""
    threads = []
    for count in (1, 3):
        async with started(make(sherpa_threads=count)) as engine:
            assert await heard(engine, "开", "等") == "开等"
            (pid,) = engine.worker_pids
            threads.append(psutil.Process(pid).num_threads())
    # Each of the model's three networks has a pool of its own; one of one thread has none.
    assert threads[1] - threads[0] in {2, 3 * 2}


async def test_registered_names_become_hot_words(make: Callable[..., SherpaEngine]) -> None:
    """Of two words that sound alike the one that a skill registered is heard, from the next utterance on."""
    async with started(make()) as engine:
        assert engine.capabilities.dynamic_vocabulary
        assert await heard(engine, "开", "等") == "开等"
        before = await engine.open(MANDARIN)
        await engine.set_vocabulary(names(revision=7))
        recognition = await recognise(engine, tones("开", "等"), MANDARIN)
        assert recognition.alternatives[0].transcript == "开灯"
        assert recognition.registry_revision == 7
        # A name is written as its skill writes it.
        assert await heard(engine, "▁OS", "LO", locale=ENGLISH) == "Oslo"
        await feed(before, tones("开", "等"))
        assert (await before.finish()).alternatives[0].transcript == "开等"
        await before.close()
        await engine.set_vocabulary(Vocabulary(revision=8))
        assert await heard(engine, "开", "等") == "开等"
    async with started(make(sherpa_hot_words=0)) as engine:
        assert not engine.capabilities.dynamic_vocabulary
        await engine.set_vocabulary(names())
        assert await heard(engine, "开", "等") == "开等"


async def test_a_households_words_are_hot_words_of_its_utterance(make: Callable[..., SherpaEngine]) -> None:
    """What a household calls things is heard from it and from no other; what the model can't write changes nothing."""
    ours = {"name": ["开灯", "开龘", "", "!?"]}
    async with started(make()) as engine:
        recognition = await recognise(engine, tones("开", "等"), MANDARIN, ours)
        assert recognition.alternatives[0].transcript == "开灯"
        assert await heard(engine, "开", "等") == "开等"
    async with started(make(sherpa_hot_words=0)) as engine:
        recognition = await recognise(engine, tones("开", "等"), MANDARIN, ours)
        assert recognition.alternatives[0].transcript == "开等"


async def test_a_dead_process_costs_its_utterances_and_is_replaced(make: Callable[..., SherpaEngine]) -> None:
    """A killed process fails its streams as retryable; its successor has the model and the hot words."""
    async with started(make(streams_per_worker=2)) as engine:
        await engine.set_vocabulary(names())
        stream, other = await engine.open(MANDARIN), await engine.open(MANDARIN)
        with pytest.raises(RecognizerBusyError):
            await engine.open(MANDARIN)
        await other.close()
        (pid,) = engine.worker_pids
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError):
            await stream.finish()
        await stream.close()
        assert await heard(engine, "开", "等") == "开灯"
        assert pid not in engine.worker_pids
    with pytest.raises(RecognizerStoppedError):
        await engine.open(MANDARIN)


async def test_the_service_goes_on_while_the_network_works(serving: SherpaEngine) -> None:
    """The event loop passes audio on and has next to nothing else to do."""
    pcm = tones(*PHRASE * 4)
    loop = asyncio.get_running_loop()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = loop.create_task(tick())
    try:
        results = await asyncio.gather(*(recognise(serving, pcm, ENGLISH) for _ in range(6)))
    finally:
        ticking.cancel()
    assert ticks > 100
    assert len({result.alternatives[0].transcript for result in results}) == 1


@pytest.fixture(scope="module", autouse=True)
def _no_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARSHOT_MODELS", str(tmp_path_factory.mktemp("none")))
        yield
