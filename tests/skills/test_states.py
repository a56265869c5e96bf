"""What skills keep for a household, on a real bucket and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from earshot_skillkit import MemoryStates, StateConflictError, States, StateUnavailableError
from earshot_skillkit.states import BucketStates
from support.nats import nats_server


@pytest.fixture(params=["bucket", "memory"])
async def states(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[States]:
    """Both kinds behave alike."""
    if request.param == "memory":
        yield MemoryStates()
        return
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        yield BucketStates(await client.jetstream().key_value("SKILL_STATES"), "music")
        await client.close()


async def test_a_value_is_what_the_last_change_made_of_it(states: States) -> None:
    """Absent, written, changed, removed, and written again."""
    assert await states.get("h1", "queue") is None
    assert await states.update("h1", "queue", lambda value: [*(value or []), "one"]) == ["one"]
    assert await states.update("h1", "queue", lambda value: [*value, "二"]) == ["one", "二"]
    assert await states.get("h1", "queue") == ["one", "二"]
    await states.update("h1", "queue", lambda _: None)
    assert await states.get("h1", "queue") is None
    assert await states.update("h1", "queue", lambda value: value or {"a": 1}) == {"a": 1}


async def test_a_change_may_be_made_in_place(states: States) -> None:
    """A change that alters the value it was given is kept like any other."""

    def append(value: list[int] | None) -> list[int]:
        value = value or []
        value.append(len(value))
        return value

    for _ in range(3):
        await states.update("h1", "queue", append)
    assert await states.get("h1", "queue") == [0, 1, 2]


async def test_households_and_devices_are_apart(states: States) -> None:
    """A value belongs to one household, and to one device if it is named."""
    await states.update("h1", "home", lambda _: "Paris")
    await states.update("h1", "home", lambda _: "kitchen", device_id="d1")
    assert await states.get("h2", "home") is None
    assert await states.get("h1", "home") == "Paris"
    assert await states.get("h1", "home", device_id="d1") == "kitchen"
    assert await states.get("h1", "home", device_id="d2") is None


async def test_nothing_is_lost_between_two_writers(states: States) -> None:
    """Changes made at once are all there."""
    await asyncio.gather(*(states.update("h1", "count", lambda value: (value or 0) + 1) for _ in range(8)))
    assert await states.get("h1", "count") == 8


async def test_a_household_can_be_erased_whole(tmp_path: Path) -> None:
    """Purging the household's keys leaves nothing of it in any skill, and others alone."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        jetstream = client.jetstream()
        bucket = await jetstream.key_value("SKILL_STATES")
        music, weather = BucketStates(bucket, "music"), BucketStates(bucket, "weather")
        await weather.update("h1", "home", lambda _: "Paris")
        await music.update("h1", "queue", lambda _: [1], device_id="d1")
        await weather.update("h2", "home", lambda _: "London")
        await jetstream.purge_stream("KV_SKILL_STATES", subject="$KV.SKILL_STATES.*.h1.>")
        assert await weather.get("h1", "home") is None
        assert await music.get("h1", "queue", device_id="d1") is None
        assert await weather.get("h2", "home") == "London"
        await client.close()


async def test_a_conflict_that_does_not_end_is_an_error(tmp_path: Path) -> None:
    """When somebody else writes between every read and write, the error is retryable and has a code."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        bucket = await client.jetstream().key_value("SKILL_STATES")
        other = BucketStates(bucket, "music")

        class Interfering:
            """A bucket that somebody else writes to just before each write."""

            get = bucket.get

            async def update(self, key: str, value: bytes, last: int) -> int:
                await bucket.put(key, b"0")
                return await bucket.update(key, value, last)

        states = BucketStates(Interfering(), "music")  # type: ignore[arg-type]
        with pytest.raises(StateConflictError) as raised:
            await states.update("h1", "count", lambda value: (value or 0) + 1)
        assert (raised.value.code, raised.value.retryable) == ("state_conflict", True)
        assert await other.get("h1", "count") == 0
        await client.close()


async def test_a_bus_that_is_away_is_a_retryable_error(tmp_path: Path) -> None:
    """A handler that meets it fails as retryable, not as a mistake."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        states = BucketStates(await client.jetstream(timeout=0.2).key_value("SKILL_STATES"), "music")
        server.kill()
        for call in (states.get("h1", "queue"), states.update("h1", "queue", lambda _: 1)):
            with pytest.raises(StateUnavailableError) as raised:
                await call
            assert (raised.value.code, raised.value.retryable) == ("state_unavailable", True)
        server.start()
        await server.ready()
        while not client.stats["reconnects"]:
            await asyncio.sleep(0.02)
        await client.close()


async def test_ids_cannot_widen_a_key(states: States) -> None:
    """A household or name that is not a token is refused by the bucket."""
    if isinstance(states, MemoryStates):
        return
    for household, name in (("h1.*", "home"), ("h1", "a.b"), ("", "home")):
        with pytest.raises(ValueError, match="not a valid id"):
            await states.get(household, name)
