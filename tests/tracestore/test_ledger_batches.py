"""Facts that come while a commit is under way share the next one; what waits is bounded, and what is dropped counted."""

import asyncio
import sqlite3

import nats
import pytest

from earshot.device.v1.upstream_pb2 import UtteranceStarted
from earshot_topology.subjects import DeviceAddress
from earshot_tracestore.ledger import Ledger
from support.nats import nats_server

SUBJECT = DeviceAddress("h1", "d1").started("zh-CN", "stable")


class SlowStore:
    """A disk whose first commit takes until it is let go; real ones stall in the same way."""

    def __init__(self, error=None):
        self.commits, self.begun, self.go, self.error = [], asyncio.Event(), asyncio.Event(), error

    async def add(self, batch):
        self.begun.set()
        await self.go.wait()
        error, self.error = self.error, None
        if error:
            raise error
        self.commits.append([fact.turn_id for fact in batch.facts])


async def told(tmp_path, store, *, waiting, count):
    """Start as many turns as are wanted while the first commit stalls; return the ledger when it has ended."""
    async with nats_server(tmp_path) as server:
        client = await nats.connect(server.url)
        ledger = Ledger(client, store, waiting=waiting)
        await ledger.start()
        await client.publish(SUBJECT, UtteranceStarted(turn_id="t0").SerializeToString())
        await store.begun.wait()
        for number in range(1, count):
            await client.publish(SUBJECT, UtteranceStarted(turn_id=f"t{number}").SerializeToString())
        await client.flush()
        async with asyncio.timeout(10):
            while ledger._waiting.qsize() + ledger.dropped < count - 1:
                await asyncio.sleep(0.01)
        store.go.set()
        await ledger.stop()
        await client.close()
        return ledger


async def test_what_comes_meanwhile_shares_a_commit(tmp_path):
    """A hundred turns, two commits; nothing is lost, also what waits when the ledger stops."""
    store = SlowStore()
    ledger = await told(tmp_path, store, waiting=1_000, count=100)
    assert [len(commit) for commit in store.commits] == [1, 99]
    assert store.commits[0] + store.commits[1] == [f"t{number}" for number in range(100)]
    assert ledger.dropped == 0


async def test_what_waits_is_bounded(tmp_path):
    """More than there is room for is dropped, and counted."""
    store = SlowStore()
    ledger = await told(tmp_path, store, waiting=10, count=50)
    assert sum(len(commit) for commit in store.commits) == 11
    assert ledger.dropped == 39


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk full")])
async def test_a_commit_that_fails_ends_nothing(tmp_path, error):
    """Its facts are counted as dropped; the next ones are written."""
    store = SlowStore(error)
    ledger = await told(tmp_path, store, waiting=100, count=5)
    assert store.commits == [["t1", "t2", "t3", "t4"]]
    assert ledger.dropped == 1
