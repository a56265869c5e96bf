"""The caches without a bus."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot_audio import Encoding, Format
from earshot_tts.backfill import choose
from earshot_tts.cache.blob import CorruptBlobError, pack, unpack
from earshot_tts.cache.keys import cache_key
from earshot_tts.cache.memory import MemoryCache
from earshot_tts.cache.sentences import SentenceCache, Source
from earshot_tts.cache.shared import SharedCacheError
from earshot_tts.captured import CapturedFrame, CapturedOutcome
from earshot_tts.engines.recorded import RecordedEngine
from earshot_tts.errors import EngineError
from earshot_tts.production import Production
from earshot_tts.requests import OutcomeId


@given(frames=st.lists(st.binary(max_size=200), max_size=20), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_blob_holds_frames_and_notices_damage(frames, at, bit) -> None:
    """Frames come back as they were; one flipped bit or a missing end is noticed."""
    blob = pack(tuple(frames))
    assert unpack(blob) == tuple(frames)
    damaged = bytearray(blob)
    damaged[at % len(blob)] ^= 1 << bit
    for broken in (bytes(damaged), blob[:-1], blob[: at % len(blob)]):
        with pytest.raises(CorruptBlobError):
            unpack(broken)


def test_memory_forgets_the_least_recently_used() -> None:
    """The bound is in bytes; what was used last stays; what is too large is not kept."""
    memory = MemoryCache(100)
    memory.put("a", (b"x" * 40,))
    memory.put("b", (b"x" * 40,))
    assert memory.get("a") is not None
    memory.put("c", (b"x" * 40,))
    assert memory.get("b") is None
    assert memory.get("a") is not None
    memory.put("d", (b"x" * 101,))
    assert memory.get("d") is None
    memory.put("a", (b"x" * 10,))
    assert memory.size_bytes == 50


def test_key_depends_on_all_that_frames_follow_from() -> None:
    """Voice, locale, text, format and frame length each make another key."""
    engine = RecordedEngine()
    engine.start()
    base = {
        "capabilities": engine.capabilities,
        "voice": engine.capabilities.voices[0],
        "locale": "en-US",
        "text": "hello",
        "audio_format": Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000),
        "frame_ms": 40,
    }
    changes = (
        {"locale": "zh-CN"},
        {"text": "Hello"},
        {"frame_ms": 20},
        {"audio_format": Format(encoding=Encoding.OPUS, sample_rate_hertz=16_000)},
        {"audio_format": Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000, channel_count=2)},
        {"audio_format": Format(encoding=Encoding.LINEAR16, sample_rate_hertz=8_000)},
    )
    keys = {cache_key(**base)} | {cache_key(**(base | change)) for change in changes}
    assert len(keys) == len(changes) + 1
    assert cache_key(**base) == cache_key(**base)


class SlowStore:
    """A shared cache that is slow, or fails."""

    def __init__(self, *, delay_s: float = 0.0, fails: bool = False) -> None:
        self.delay_s = delay_s
        self.fails = fails
        self.stored: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        """Wait, then answer or fail."""
        await asyncio.sleep(self.delay_s)
        if self.fails:
            raise SharedCacheError("down")
        return self.stored.get(key)

    async def put(self, key: str, blob: bytes) -> None:
        """Wait, then keep or fail."""
        await asyncio.sleep(self.delay_s)
        if self.fails:
            raise SharedCacheError("down")
        self.stored[key] = blob


@pytest.mark.looptime
async def test_slow_store_holds_speech_up_for_its_patience_only() -> None:
    """A look into a store that does not answer ends after the patience; it is a miss."""
    cache = SentenceCache(MemoryCache(1000), SlowStore(delay_s=10.0), 0.05)
    began = asyncio.get_running_loop().time()
    assert await cache.fetch("key") is None
    assert asyncio.get_running_loop().time() - began == pytest.approx(0.05)


@pytest.mark.looptime
async def test_failing_store_is_a_miss_and_memory_goes_on() -> None:
    """With a store that fails, sentences are kept in memory; more of them than the queue takes are not waited for."""
    cache = SentenceCache(MemoryCache(10_000), SlowStore(delay_s=1.0, fails=True), 0.05)
    writer = asyncio.create_task(cache.write())
    for number in range(100):
        cache.keep(f"key{number}", (b"frame",))
    assert await cache.fetch("key99") is None
    assert cache.remembered("key99") == (b"frame",)
    await cache.written()
    assert not writer.done()
    writer.cancel()


async def test_store_fills_the_memory() -> None:
    """What the store had is in memory the next time."""
    store = SlowStore()
    store.stored["key"] = pack((b"frame",))
    cache = SentenceCache(MemoryCache(1000), store, 0.05)
    assert cache.remembered("key") is None
    assert await cache.fetch("key") == (b"frame",)
    assert cache.remembered("key") == (b"frame",)


class Maker:
    """Makes a sentence of three batches, one a second."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.made = 0
        self.ended = 0

    async def __call__(self, production: Production) -> None:
        """Make it."""
        for number in range(3):
            await asyncio.sleep(1.0)
            production.add((f"frame{number}".encode(),), Source.ENGINE)
            self.made += 1
        if self.fails:
            raise EngineError("broken")

    def end(self, _production: Production) -> None:
        """Count the ends."""
        self.ended += 1


async def hear(production: Production) -> list[bytes]:
    """Listen to the end."""
    return [frame async for frames, _ in production.listen() for frame in frames]


@pytest.mark.looptime
async def test_sentence_is_made_once_for_all_who_listen() -> None:
    """Whoever comes while a sentence is made hears all of it; it is made once."""
    maker = Maker()
    production = Production(maker, maker.end)
    first = asyncio.create_task(hear(production))
    await asyncio.sleep(1.5)
    assert await hear(production) == await first == [b"frame0", b"frame1", b"frame2"]
    assert await hear(production) == await first
    assert (maker.made, maker.ended) == (3, 1)


@pytest.mark.looptime
async def test_sentence_is_given_up_when_nobody_listens() -> None:
    """One listener less changes nothing for the other; when the last one leaves, making stops."""
    maker = Maker()
    production = Production(maker, maker.end)
    first, second = asyncio.create_task(hear(production)), asyncio.create_task(hear(production))
    await asyncio.sleep(1.5)
    first.cancel()
    await asyncio.sleep(1.0)
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    await asyncio.sleep(5.0)
    assert (maker.made, maker.ended) == (2, 1)


@pytest.mark.looptime
async def test_failure_is_raised_where_somebody_listens() -> None:
    """A failing engine is an error for each listener, after what there was."""
    maker = Maker(fails=True)
    production = Production(maker, maker.end)
    results = await asyncio.gather(hear(production), hear(production), return_exceptions=True)
    assert [type(result) for result in results] == [EngineError, EngineError]
    assert maker.ended == 1


@pytest.mark.parametrize(
    ("asked", "sent", "truncated"),
    [
        ((0, 0), [2, 3, 4, 6], True),
        ((2, 5), [2, 3, 4], False),
        ((4, 7), [4, 6], True),
        ((6, 0), [6], False),
        ((7, 0), [], False),
        ((6, 99), [6], False),
    ],
)
def test_backfill_sends_what_there_is_and_tells_what_is_gone(asked, sent, truncated) -> None:
    """Frames below the highest one that are not kept any more are told; frames not yet sent are not missing."""
    captured = CapturedOutcome(OutcomeId("o1"))
    captured.add(
        CapturedFrame(
            outcome_id=OutcomeId("o1"), segment_index=0, sequence=n, owner_epoch=1, segment_last=False, encoded=b""
        )
        for n in (2, 3, 4, 6)
    )
    found = choose(captured, *asked)
    assert ([frame.sequence for frame in found.frames], found.truncated) == (sent, truncated)
