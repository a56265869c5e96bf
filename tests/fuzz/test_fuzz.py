"""10,000 wrong messages to everything that listens (`make fuzz`: 200,000), and a check that the books can find a mistake."""

from __future__ import annotations

from collections import Counter

import pytest

from earshot.asr.v1 import events_pb2
from earshot.device.v1 import upstream_pb2
from earshot_topology.catalog import CHANNELS
from fuzz.accounting import Account
from fuzz.conduct import Result, run
from fuzz.flood import consumers_of
from fuzz.mutations import Spoiler
from support.contracts import methods, saturated

SEED = 20_261_124


@pytest.mark.timeout(240)
async def test_nothing_wrong_does_any_harm() -> None:
    """No process dies, no valid turn is lost, and every bad message is parked, dropped and counted, or refused."""
    result = await run(10_000, SEED)
    assert result.sent >= 10_000
    assert result.crashed == 0
    assert result.turns > 20
    assert result.valid_lost == 0
    assert {name: account for name, account in result.accounts.items() if account.unaccounted} == {}
    assert result.replayed_twice == 0
    assert result.grown == []
    # Every channel and every method was reached, and most of what came can't be read.
    reached = {name for name, account in result.accounts.items() if account.sent}
    assert {channel.name for channel in CHANNELS} - reached == set()
    served = methods()
    assert {package.split(".")[1] for package in served} == {"asr", "nlu", "dialogue", "tts", "schedule", "skill"}
    assert set().union(*served.values()) - reached == set()
    assert sum(account.unreadable for account in result.accounts.values()) > result.sent / 3


def test_books_find_what_is_missing() -> None:
    """A message that is swallowed, parked too seldom, left on its stream or never answered shows."""
    right = Account(sent=10, taken=8, unreadable=5, noted=10, receivers=2, refused=Counter(too_large=2))
    assert right.unaccounted == 0
    assert Account(sent=10, taken=7, refused=Counter(too_large=2)).unaccounted == 1
    assert Account(sent=10, taken=10, unreadable=5, noted=9, receivers=2).unaccounted == 1
    assert Account(sent=1, taken=1, left=1).unaccounted == 1
    assert Account(sent=1, unanswered=1).unaccounted == 1
    grown = Result(memory_mib={"asr-0": (100.0, 150.0), "nlu-0": (100.0, 110.0)})
    assert grown.grown == ["asr-0"]
    server = Result(memory_mib={"nats-server": (200.0, 290.0)}, kept=1_000)
    assert server.grown == []
    # At rest there are no caches to allow for.
    server.rested = True
    assert server.grown == ["nats-server"]


def test_every_consumer_has_its_channel() -> None:
    """The account of a stream's channel waits for everyone who reads it."""
    by_name = {channel.name: {consumer.durable for consumer in consumers_of(channel)} for channel in CHANNELS}
    assert by_name["utteranceStarted"] == {"asr", "dialogue_started"}
    assert by_name["turnTranscribed"] == {"nlu"}
    assert by_name["audioFrame"] == set()


def test_same_seed_same_flood() -> None:
    """A run that found something can be made again; all ways to spoil a message are used."""
    import random  # noqa: PLC0415 - nothing else needs chance

    def flood() -> list[tuple[str, bytes]]:
        spoiler = Spoiler(random.Random(7), [channel.message for channel in CHANNELS])
        return [
            (spoiled.mutation, spoiled.payload)
            for spoiled in (spoiler.spoil(saturated(events_pb2.TurnTranscribed)) for _ in range(500))
        ]

    assert flood() == flood()
    assert len({mutation for mutation, _ in flood()}) == 12
    oversized = Spoiler(random.Random(7), [upstream_pb2.DeviceEvent, events_pb2.TurnTranscribed]).oversized(
        saturated(upstream_pb2.DeviceEvent)
    )
    assert len(oversized.payload) > 64 * 1024
    assert oversized.readable(upstream_pb2.DeviceEvent)
