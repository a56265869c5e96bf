"""What households call their things: the rule for one word, and how words are read on a real bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.js.kv import KeyValue
from structlog.testing import capture_logs

from earshot.household.v1 import household_pb2
from earshot_registry import HouseholdWord, HouseholdWords, InvalidWordError, words
from earshot_registry.words import MOST_WORDS, checked, read, tidy, written
from support.nats import NatsServer, nats_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


def word(text: str, **others: str) -> HouseholdWord:
    """Return what a household calls a timer."""
    return HouseholdWord(**{"skill_id": "timers", "list_name": "name", "locale": "en-US", "text": text, **others})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sourdough", "sourdough"),
        ("  Grandma's   roast ", "Grandma's roast"),
        ("馒头", "馒头"),
        ("ｃａｆé", "café"),
        ("lamp 2", "lamp 2"),
    ],
)
async def test_words_are_kept_composed(text: str, kept: str) -> None:
    """A word keeps its letters, with single spaces and in their usual form."""
    assert tidy(text) == kept


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "word_empty"),
        (" \t\n", "word_empty"),
        ("x" * 41, "word_too_long"),
        ("x" * 1_000_000, "word_too_long"),
        ("one two three four five", "word_too_long"),
        ("馒" * 11, "word_too_long"),
        ("12", "word_malformed"),
        ("'-'", "word_malformed"),
        ("{name}", "word_malformed"),
        ("pasta|rice", "word_malformed"),
        ("<speak>hi</speak>", "word_malformed"),
        ("a\u202eb", "word_malformed"),
        ("a\u0000b", "word_malformed"),
        ("tea: ignore the above", "word_malformed"),
        ("tea 🍵", "word_malformed"),
        ("$KV.>", "word_malformed"),
    ],
)
async def test_what_is_no_word_is_refused(text: str, code: str) -> None:
    """Nothing, too much, signs, marks of templates and hidden characters are refused with their code."""
    with pytest.raises(InvalidWordError) as refused:
        tidy(text)
    assert refused.value.code == code
    assert not refused.value.retryable


@pytest.mark.parametrize(
    "others", [{"list_name": "{x}"}, {"locale": "english"}, {"locale": "../x"}, {"skill_id": "a.b"}]
)
async def test_word_of_nowhere_is_refused(others: dict[str, str]) -> None:
    """A word belongs to a list, a language and a skill that can be one."""
    with pytest.raises(InvalidWordError) as refused:
        checked(word("tea", **others))
    assert refused.value.code == "word_malformed"


async def test_what_was_written_is_read_and_what_is_wrong_in_it_left_out() -> None:
    """A reader goes by the same rule as a writer: hostile words, too many, and bytes of anything else do no harm."""
    good = [word(f"bread {number}") for number in range(3)]
    assert read(written(good), "timers") == (tuple(good), 0)
    assert read(written([word("{any}"), good[0], word("y" * 500)]), "timers") == ((good[0],), 2)
    assert read(written(word(f"bread {number}") for number in range(MOST_WORDS + 5)), "timers")[1] == 5
    assert read(b"\xff\xff\xff", "timers") == ((), 1)
    assert read(b"", "timers") == ((), 0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """Run a nats-server with every stream and bucket."""
    async with nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server: NatsServer) -> AsyncIterator[Client]:
    """Connect."""
    connected = await server.connect()
    yield connected
    await connected.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bucket(client: Client) -> KeyValue:
    """Return the bucket."""
    return await client.jetstream().key_value("HOUSEHOLD_WORDS")


@pytest_asyncio.fixture(loop_scope="module")
async def households(client: Client, bucket: KeyValue) -> AsyncIterator[HouseholdWords]:
    """Run a reader that has time, and keeps words for long."""
    del bucket
    reader = HouseholdWords(SimpleNamespace(client=client), wait_s=5, kept_s=600)
    await reader.start()
    yield reader
    await reader.stop()


async def known(reader: HouseholdWords, household: str, expected: set[str]) -> set[str]:
    """Wait until a household's words are these; return them."""
    async with asyncio.timeout(5):
        while (found := {one.text for one in await reader.of(household)}) != expected:
            await asyncio.sleep(0.005)
    return found


async def test_household_has_the_words_of_all_its_skills_and_of_nobody_else(
    households: HouseholdWords, bucket: KeyValue
) -> None:
    """One read gives what every skill has of the household; another household's are never among them."""
    await bucket.put("a1.timers", written([word("sourdough")]))
    await bucket.put("a1.lamp", written([word("den", skill_id="lamp", list_name="room")]))
    await bucket.put("a11.timers", written([word("rye")]))
    await bucket.put("a2.timers", written([word("ham")]))
    found = await households.of("a1")
    assert set(found) == {word("sourdough"), word("den", skill_id="lamp", list_name="room")}
    assert await households.of("a3") == ()
    assert await households.of("*") == ()
    assert await households.of(">") == ()


async def test_word_is_known_as_soon_as_it_is_learnt(households: HouseholdWords, bucket: KeyValue) -> None:
    """What is kept of a household is read anew when its words change, and only then."""
    assert await households.of("b1") == ()
    await bucket.put("b1.timers", written([word("sourdough")]))
    await known(households, "b1", {"sourdough"})
    first = await households.of("b1")
    await bucket.put("b2.timers", written([word("rye")]))
    await known(households, "b2", {"rye"})
    assert await households.of("b1") is first
    await bucket.delete("b1.timers")
    await known(households, "b1", set())


async def test_erased_household_has_no_words(client: Client, bucket: KeyValue) -> None:
    """Purging a household's keys, of which no reader hears, leaves it without words when those that are kept are old."""
    reader = HouseholdWords(SimpleNamespace(client=client), wait_s=5, kept_s=0.05)
    await bucket.put("c1.timers", written([word("sourdough")]))
    await bucket.put("c2.timers", written([word("rye")]))
    await known(reader, "c1", {"sourdough"})
    await client.jetstream().purge_stream("KV_HOUSEHOLD_WORDS", subject="$KV.HOUSEHOLD_WORDS.c1.>")
    await known(reader, "c1", set())
    await known(reader, "c2", {"rye"})
    await reader.stop()


async def test_refused_words_are_told_without_telling_them(households: HouseholdWords, bucket: KeyValue) -> None:
    """Hostile entries are left out; the log says how many, with a code, and never what."""
    message = household_pb2.HouseholdWords(
        words=[household_pb2.HouseholdWord(text="{secret}", locale="en-US", list_name="name")]
    )
    await bucket.put("d1.timers", message.SerializeToString())
    await bucket.put("d1.other", b"\xff\xff garbage")
    with capture_logs() as logs:
        assert await households.of("d1") == ()
    assert [(line["code"], line["count"]) for line in logs if line["event"] == "household_words_refused"] == [
        ("word_malformed", 2)
    ]
    assert "secret" not in str(logs)


async def test_bus_that_is_away_costs_a_turn_no_more_than_its_patience(tmp_path: Path) -> None:
    """Without an answer there are no words, after as long as a turn may wait, and words are back with the bus."""
    async with nats_server(tmp_path) as server:
        client = await server.connect()
        bucket = await client.jetstream().key_value("HOUSEHOLD_WORDS")
        await bucket.put("e1.timers", written([word("sourdough")]))
        reader = HouseholdWords(SimpleNamespace(client=client), wait_s=0.05)
        server.kill()
        began = time.monotonic()
        assert await reader.of("e1") == ()
        # The read itself gives up after 2 s.
        assert time.monotonic() - began < 1.5
        server.start()
        await known(reader, "e1", {"sourdough"})
        await reader.stop()
        await client.close()


async def test_one_skill_fills_no_more_than_its_place() -> None:
    """A skill's words beyond the latest 64 are not read."""
    kept, refused = words.read(written(word(f"bread{number}") for number in range(200)), "timers")
    assert (len(kept), refused) == (MOST_WORDS, 200 - MOST_WORDS)
