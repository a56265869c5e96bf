from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from earshot_asr.engines.errors import RecognizerStoppedError, WorkerDiedError
from earshot_asr.engines.pocketsphinx.acoustic import english
from earshot_asr.engines.pocketsphinx.bundles import BundleStore
from earshot_asr.engines.pocketsphinx.engine import PocketsphinxEngine
from earshot_asr.engines.pocketsphinx.hearing import Hearing
from earshot_asr.engines.pocketsphinx.noise import LEAST_DBFS, SILENCE_DBFS, Loudness, with_floor
from earshot_asr.engines.workers.frames import HEADER_BYTES, Frame, Kind, Reader, encode
from earshot_asr.engines.workers.process import WorkerProcess
from support.engines import ENGLISH, collect_interims, documents, feed, recognise, spoken, transcribe, until, vocabulary


async def test_dead_worker_fails_its_utterances_and_is_replaced(engine: PocketsphinxEngine) -> None:
    """A killed process costs its own utterances, as a retryable error, and the next ones find another process."""
    pcm = spoken("play some jazz", ENGLISH)
    stream = await engine.open(ENGLISH)
    await feed(stream, pcm)
    waiting = asyncio.create_task(stream.interim())
    (pid,) = engine.worker_pids
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerDiedError) as caught:
        await stream.finish()
    assert caught.value.code == "recognizer_worker_died"
    assert caught.value.retryable
    with pytest.raises(WorkerDiedError):
        await stream.feed(b"\0\0")
    await asyncio.gather(waiting, return_exceptions=True)
    await stream.close()
    assert await transcribe(engine, "play some jazz", ENGLISH) == "play some jazz"
    assert pid not in engine.worker_pids


async def test_other_workers_go_on(make_engine: Callable[..., PocketsphinxEngine]) -> None:
    """The death of one process does not disturb the utterances of another."""
    engine = make_engine(workers=2)
    await engine.start()
    try:
        await engine.set_vocabulary(vocabulary(ENGLISH, skills=("music",)))
        streams = [await engine.open(ENGLISH) for _ in range(2)]
        for stream in streams:
            await feed(stream, spoken("play some jazz", ENGLISH))
        os.kill(engine.worker_pids[0], signal.SIGKILL)
        results = await asyncio.gather(*(stream.finish() for stream in streams), return_exceptions=True)
        assert sorted(isinstance(result, WorkerDiedError) for result in results) == [False, True]
        for stream in streams:
            await stream.close()
        await until(lambda: len(engine.worker_pids) == 2)
    finally:
        await engine.stop()


async def test_stopping_ends_every_process_and_tells_its_utterances(
    make_engine: Callable[..., PocketsphinxEngine],
) -> None:
    """Nothing is left running, and who was still waiting learns why."""
    engine = make_engine(workers=2)
    await engine.start()
    await engine.set_vocabulary(vocabulary(ENGLISH, skills=("clock",)))
    stream = await engine.open(ENGLISH)
    interim = asyncio.create_task(stream.interim())
    await asyncio.sleep(0)
    pids = engine.worker_pids
    await engine.stop()
    with pytest.raises(RecognizerStoppedError):
        await interim
    assert not any(psutil.pid_exists(pid) for pid in pids)
    await engine.stop()


async def test_event_loop_is_not_held_up(engine: PocketsphinxEngine) -> None:
    """While utterances are searched and a vocabulary is made, the service's own process has next to nothing to do."""
    texts = ["what's the weather in Paris tomorrow", "play some jazz", "what time is it in Tokyo"]
    pcms = [spoken(text, ENGLISH) for text in texts]
    workers = [psutil.Process(pid) for pid in engine.worker_pids]
    began, searched = time.process_time(), sum(worker.cpu_times().user for worker in workers)
    await asyncio.gather(
        engine.set_vocabulary(vocabulary(ENGLISH, skills=("clock", "music", "weather"), revision=9)),
        *(recognise(engine, pcm, ENGLISH) for pcm in pcms),
    )
    own = time.process_time() - began
    assert own < 0.15
    assert own < sum(worker.cpu_times().user for worker in workers) - searched


async def test_only_who_waits_for_interim_results_is_searched_for_them(cache: Path) -> None:
    """Without them nothing is searched until speech pauses; who asks late gets those of what was said before."""
    bundle = await BundleStore(cache).get(english(), documents(ENGLISH, "clock"))
    hearing = Hearing()
    key = bundle.order.key

    def tell(kind: Kind, body: bytes | dict[str, object] = b"") -> list[Frame]:
        """Send one frame and return the answers to all of the work that follows."""
        (frame,) = Reader().push(encode(kind, 1, body))
        answers = list(hearing.take(frame))
        while (done := hearing.step()) is not None:
            answers += done
        return list(Reader().push(b"".join(answers)))

    assert [answer.kind for answer in tell(Kind.LOAD, bundle.order.to_json())] == [Kind.LOADED]
    tell(Kind.OPEN, {"key": key, "phrases": {}})
    assert tell(Kind.FEED, spoken("what time is it in Tokyo", ENGLISH)) == []
    assert {answer.kind for answer in tell(Kind.FOLLOW)} == {Kind.INTERIM}
    (final,) = tell(Kind.FINISH)
    assert final.json()["readings"][0]["words"] == ["what", "time", "is", "it", "in", "tokyo"]


@pytest.mark.parametrize(("followed", "most"), [(False, 4), (True, 16)])
async def test_audio_goes_to_the_worker_in_few_messages(
    engine: PocketsphinxEngine, monkeypatch: pytest.MonkeyPatch, *, followed: bool, most: int
) -> None:
    """Half a second at a time, or a tenth where interim results are wanted; a pause has all that came before it."""
    pcm = bytes(range(250)) * 192
    sent: list[tuple[Kind, bytes]] = []
    send = WorkerProcess.send

    def note(worker: WorkerProcess, kind: Kind, stream: int, frame: bytes | None = None) -> None:
        sent.append((kind, frame or b""))
        send(worker, kind, stream, frame)

    monkeypatch.setattr(WorkerProcess, "send", note)
    async with await engine.open(ENGLISH) as stream:
        interims = asyncio.create_task(collect_interims(stream)) if followed else None
        await asyncio.sleep(0)
        await feed(stream, pcm)
        await stream.speech_paused()
        await stream.finish()
        if interims is not None:
            await interims
    audio = [frame[HEADER_BYTES:] for kind, frame in sent if kind is Kind.FEED]
    assert b"".join(audio) == pcm
    assert len(audio) <= most
    others = {Kind.OPEN, Kind.FOLLOW}
    assert [kind for kind, _ in sent if kind not in others] == [Kind.FEED] * len(audio) + [Kind.PAUSE, Kind.FINISH]


def test_frames_survive_any_cut() -> None:
    """A stream of bytes gives the same frames, however it is cut."""
    sent = [(Kind.OPEN, 7, b'{"key": "a"}'), (Kind.FEED, 7, bytes(range(256))), (Kind.FINISH, 7, b"")]
    data = b"".join(encode(kind, stream, body) for kind, stream, body in sent)
    for size in (1, 3, HEADER_BYTES, 100, len(data)):
        reader = Reader()
        frames = [frame for at in range(0, len(data), size) for frame in reader.push(data[at : at + size])]
        assert [(frame.kind, frame.stream, frame.body) for frame in frames] == sent
        assert frames[0].json() == {"key": "a"}


async def test_very_long_utterance_ends_at_once(engine: PocketsphinxEngine) -> None:
    """Half a minute and more of speech are not searched a second time; their result comes from the streaming search."""
    pcm = spoken("play some jazz", ENGLISH)
    async with await engine.open(ENGLISH) as stream:
        for _ in range(33 * 32_000 // len(pcm)):
            await feed(stream, pcm)
        recognition = await stream.finish()
    assert recognition.audio_duration > 30
    assert await transcribe(engine, "play some jazz", ENGLISH) == "play some jazz"


async def test_services_that_share_a_cache_do_not_disturb_each_other(
    make_engine: Callable[..., PocketsphinxEngine], tmp_path: Path
) -> None:
    """Three replicas that start at once make the same bundle, and each of them gets it."""
    engines = [make_engine(cache=tmp_path) for _ in range(3)]
    await asyncio.gather(*(engine.start() for engine in engines))
    try:
        await asyncio.gather(*(engine.set_vocabulary(vocabulary(ENGLISH, skills=("clock",))) for engine in engines))
        said = await asyncio.gather(*(transcribe(engine, "what time is it", ENGLISH) for engine in engines))
        assert said == ["what time is it"] * 3
    finally:
        await asyncio.gather(*(engine.stop() for engine in engines))


def test_noise_floor_follows_the_talker() -> None:
    """Loud speech gets more noise than quiet speech, silence a microphone's; framing and offset do not matter."""
    tone = (np.sin(np.arange(32_000) / 5) * 16_000).astype(np.int16)
    loud, quiet, softest, silent = Loudness(), Loudness(), Loudness(), Loudness()
    loud.measure(bytearray(tone.tobytes()))
    quiet.measure(bytearray((tone // 4).astype(np.int16).tobytes()))
    softest.measure(bytearray((tone // 400).astype(np.int16).tobytes()))
    silent.measure(bytearray(64_000))
    assert loud.dbfs == pytest.approx(-9.2, abs=0.1)
    assert loud.dbfs - loud.floor_dbfs == pytest.approx(quiet.dbfs - quiet.floor_dbfs, abs=1)
    assert loud.floor_dbfs > quiet.floor_dbfs > softest.floor_dbfs == LEAST_DBFS
    assert silent.floor_dbfs == SILENCE_DBFS
    piecewise, buffer = Loudness(), bytearray()
    for start in range(0, len(tone), 777):
        buffer += tone[start : start + 777].tobytes()
        piecewise.measure(buffer)
    assert piecewise.dbfs == loud.dbfs

    whole = with_floor(bytes(200_000), 0, -50)
    assert with_floor(bytes(50_000), 75_000, -50) == whole[150_000:]
    level = np.sqrt(np.mean(np.frombuffer(whole, np.int16).astype(float) ** 2))
    assert 20 * np.log10(level / 32768) == pytest.approx(-50, abs=0.3)
    assert np.frombuffer(with_floor(b"\xff\x7f" * 1000, 0, -30), np.int16).min() > 28_000
