"""What a household calls its things, learnt by a skill: on a real bucket and in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from earshot_skillkit import InvalidWordError, MemoryWords, StateUnavailableError, Words
from earshot_skillkit.words import BucketWords
from support.nats import nats_server
from support.timing import kitchen


@pytest.fixture(params=["bucket", "memory"])
async def words(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Words]:
    """Both kinds behave alike."""
    if request.param == "memory":
        yield MemoryWords("timers")
        return
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        yield BucketWords(await client.jetstream().key_value("HOUSEHOLD_WORDS"), "timers")
        await client.close()


async def texts(words: Words, household: str = "h1") -> list[str]:
    """Return what is known."""
    return [word.text for word in await words.known(household)]


async def test_latest_word_comes_first_and_households_are_apart(words: Words) -> None:
    """Learnt, learnt again, forgotten; of one household only."""
    assert await texts(words) == []
    for text in ("sourdough", " rye  bread", "sourdough"):
        await words.learn("h1", "name", text, locale="en-US")
    assert await texts(words) == ["sourdough", "rye bread"]
    assert await texts(words, "h2") == []
    await words.forget("h1", "name", "sourdough", locale="en-US")
    await words.forget("h1", "name", "never learnt", locale="en-US")
    await words.forget("h1", "name", "rye bread", locale="zh-CN")
    assert await texts(words) == ["rye bread"]


async def test_word_beyond_the_sixty_fourth_gives_way(words: Words) -> None:
    """A household can't fill the store: the oldest words are forgotten."""
    for number in range(70):
        await words.learn("h1", "name", f"bread {number}", locale="en-US")
    assert await texts(words) == [f"bread {number}" for number in reversed(range(6, 70))]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "word_empty"),
        ("x" * 100_000, "word_too_long"),
        ("{name}", "word_malformed"),
        ("a\u202eb", "word_malformed"),
    ],
)
async def test_what_is_no_word_is_refused(words: Words, text: str, code: str) -> None:
    """Garbage, oversized and hostile words are refused with a code, and nothing is kept."""
    with pytest.raises(InvalidWordError) as refused:
        await words.learn("h1", "name", text, locale="en-US")
    assert (refused.value.code, refused.value.stage) == (code, "skill")
    assert await texts(words) == []


async def test_words_learnt_at_once_are_all_kept(words: Words) -> None:
    """Two replicas that learn at the same moment lose nothing."""
    await asyncio.gather(*(words.learn("h1", "name", f"bread {number}", locale="en-US") for number in range(6)))
    assert set(await texts(words)) == {f"bread {number}" for number in range(6)}


async def test_bus_that_is_away_is_told_in_a_moment(tmp_path: Path) -> None:
    """A word that can't be written is `state_unavailable` soon enough for a turn to go on."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        words = BucketWords(await client.jetstream().key_value("HOUSEHOLD_WORDS"), "timers")
        server.kill()
        with pytest.raises(StateUnavailableError):
            async with asyncio.timeout(10):
                await words.learn("h1", "name", "sourdough", locale="en-US")
        await client.close()


async def test_name_of_a_timer_is_learnt() -> None:
    """A timer's name is a word of the household in its language; one that can't be one is a timer's all the same."""
    async with kitchen() as tester:
        answer = await tester.call("set_timer", name="sourdough", duration=timedelta(minutes=10))
        assert answer
        await tester.call("set_timer", name="{any}", duration=timedelta(minutes=5))
        await tester.call("set_timer", duration=timedelta(minutes=3))
        kept = await tester.words.known("household")
        assert [(word.text, word.list_name, word.locale) for word in kept] == [("sourdough", "name", "en-US")]
        there = await tester.call("get_timers")
        assert "{any}" in json.dumps([str(step) for step in there])
