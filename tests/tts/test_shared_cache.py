"""The object store as a cache of sentences, on a real nats-server."""

from __future__ import annotations

from dataclasses import replace

from nats.js.api import DiscardPolicy
from nats.js.object_store import ObjectStore

from earshot_topology.streams import TTS_CACHE
from earshot_tts.cache.shared import ObjectStoreCache
from earshot_tts.engines.espeak import EspeakEngine
from support.speaking import SpeechWorker, listener, speech_worker

WORDS = "It is nine twenty in Tokyo."


class CountingEngine(EspeakEngine):
    """Counts the sentences that it has to speak."""

    def __init__(self) -> None:
        super().__init__()
        self.spoken: list[str] = []

    def synthesise(self, text, voice, sink) -> None:
        """Count and speak."""
        self.spoken.append(text)
        super().synthesise(text, voice, sink)


async def bucket(worker: SpeechWorker) -> ObjectStore:
    """Return the cache's bucket."""
    return await worker.bus.jetstream.object_store(str(TTS_CACHE.bucket))


async def spoken(device, text: str = WORDS, outcome_id: str = "o1") -> list[bytes]:
    """Have a text spoken; return the payloads."""
    return [frame.payload for frame in await device.whole(await device.decide(text, outcome_id=outcome_id))]


async def test_sentence_is_synthesised_once_for_all_workers(server) -> None:
    """The second worker, and the first one's second time, speak what the first one stored: the same frames."""
    first, second = CountingEngine(), CountingEngine()
    async with listener(server) as device:
        async with speech_worker(server, first) as worker:
            made = await spoken(device)
            assert await spoken(device, outcome_id="o2") == made
            await worker.cache.written()
        async with speech_worker(server, second):
            assert await spoken(device, outcome_id="o3") == made
    assert len(first.spoken) == 1
    assert second.spoken == []


async def test_damaged_and_vanished_objects_are_misses(server) -> None:
    """Speech goes on when the store holds rubbish, half an object, or is gone altogether."""
    async with listener(server) as device, speech_worker(server, cache_bytes=0) as worker:
        made = await spoken(device)
        await worker.cache.written()
        store = await bucket(worker)
        (entry,) = await store.list()
        await store.put(entry.name, b"rubbish")
        assert await spoken(device, outcome_id="o2") == made
        await worker.cache.written()
        (entry,) = await store.list()
        await worker.bus.jetstream.purge_stream(
            f"OBJ_{TTS_CACHE.bucket}", subject=f"$O.{TTS_CACHE.bucket}.C.{entry.nuid}"
        )
        assert await spoken(device, outcome_id="o3") == made
        await worker.cache.written()
        await worker.bus.jetstream.delete_object_store(str(TTS_CACHE.bucket))
        assert await spoken(device, outcome_id="o4") == made
        await worker.cache.written()


async def test_memory_setting_leaves_the_store_alone(server) -> None:
    """With cache=memory nothing is stored."""
    async with listener(server) as device, speech_worker(server, cache="memory") as worker:
        await spoken(device)
        info = await worker.bus.jetstream.stream_info(f"OBJ_{TTS_CACHE.bucket}")
        assert info.state.messages == 0


async def test_full_store_makes_room(server) -> None:
    """The bucket is a cache: when it is full the oldest sentences go, and what has lost its end is a miss."""
    client = await server.connect()
    jetstream = client.jetstream()
    stream = (await jetstream.stream_info(f"OBJ_{TTS_CACHE.bucket}")).config
    assert stream.discard == DiscardPolicy.OLD
    await jetstream.update_stream(replace(stream, max_bytes=300_000))
    cache = ObjectStoreCache(client, jetstream, str(TTS_CACHE.bucket))
    for number in range(6):
        await cache.put(f"key{number}", bytes([number]) * 100_000)
    assert await cache.get("key0") is None
    assert await cache.get("key5") == b"\x05" * 100_000
    await cache.put("key0", b"again")
    assert await cache.get("key0") == b"again"
    await client.close()
