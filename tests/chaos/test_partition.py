"""A node of the bus that the others don't reach: they go on, it does not, and afterwards all three are one again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from chaos.routes import Routes, number_of, routes_between
from chaos.servers import SERVER, Servers
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.errors import ConflictError
from earshot_chassis.publishing import Publisher
from earshot_local import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

NODES = 3
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
ID = "Nats-Msg-Id"
# What a leader says of a message that it neither has nor has not.
ID_IN_PROCESS, SUBJECT_IN_PROCESS = "10158", "10164"


async def ignore(_error: Exception) -> None:
    """Leave it to the call that fails to tell."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Three nodes with a line between any two.

    Attributes:
        routes: The lines.
        clients: One at each node, which it never leaves.
        system: The same, asking nodes about themselves.
    """

    routes: Routes
    clients: Sequence[Client]
    system: Sequence[Client]

    @contextlib.asynccontextmanager
    async def parted_leader(self) -> AsyncIterator[int]:
        """Part the node that leads the stream of outcomes from the others; return its number."""
        servers = Servers(self.clients[0].jetstream())
        await servers.whole(after_fault=False)
        node = number_of(await servers.leader())
        async with self.routes.parted(node):
            yield node

    async def whole(self) -> None:
        """Wait until every stream has a leader, and followers that have everything, as each node tells."""
        async with asyncio.timeout(60):
            for client in self.clients:
                await Servers(client.jetstream()).whole(after_fault=True)

    async def routes_of(self, node: int) -> dict[int, dict[str, Any]]:
        """Return a node's routes as it tells them itself, by their numbers."""
        asked = json.dumps({"server_name": f"{SERVER}-{node}"}).encode()
        answer = await self.system[node].request("$SYS.REQ.SERVER.PING.ROUTEZ", asked, timeout=10)
        told = json.loads(answer.data)
        assert number_of(told["server"]["name"]) == node
        return {route["rid"]: route for route in told["data"]["routes"] if route["remote_name"]}


async def assert_no_way_around(cluster: Cluster) -> None:
    """Assert that all routes between any two nodes pass through their lines: who connected did so at the line's port."""
    told = [await cluster.routes_of(node) for node in range(NODES)]
    for node, peer in itertools.combinations(range(NODES), 2):
        ends = [
            [route["port"] for route in told[one].values() if number_of(route["remote_name"]) == other]
            for one, other in ((node, peer), (peer, node))
        ]
        begun = ends[0].count(cluster.routes.lines[node].ports[peer]) + ends[1].count(
            cluster.routes.lines[peer].ports[node]
        )
        assert begun == len(ends[0]) == len(ends[1]) > 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Run three nodes, and nothing on them."""
    home = tmp_path_factory.mktemp("partition")
    async with (
        routes_between(NODES) as routes,
        Stack(home=home, services=(), tracestore=False, nodes=NODES, way=routes) as stack,
        contextlib.AsyncExitStack() as opened,
    ):

        async def at(url: str, role: str) -> Client:
            client = await nats.connect(
                url,
                user_credentials=str(stack.creds(role)),
                inbox_prefix=f"_INBOX_{role}",
                allow_reconnect=False,
                error_cb=ignore,
            )
            opened.push_async_callback(client.close)
            return client

        urls = stack.nats_url.split(",")
        yield Cluster(
            routes,
            clients=[await at(url, "admin") for url in urls],
            system=[await at(url, "system") for url in urls],
        )


async def publish(client: Client, subject: str, timeout_s: float = 2.0, **headers: str) -> str:
    """Try once to store a message; return an empty string, or why it was not acknowledged."""
    try:
        await client.jetstream().publish(subject, b"x", timeout=timeout_s, headers=headers or None)
    except APIError as error:
        return str(error.err_code)
    except NatsError as error:
        return type(error).__name__
    return ""


async def published(client: Client, subject: str) -> None:
    """Store a message; try as long as an election takes."""
    async with asyncio.timeout(40):
        while await publish(client, subject):
            await asyncio.sleep(0.1)


async def test_the_others_go_on_and_the_parted_node_does_not(cluster: Cluster) -> None:
    """It led, and is left for longer than it keeps a silent route.

    Nothing is acknowledged to its clients; core messages pass in neither direction. Afterwards
    there are routes again, over the lines alone, and all three have the same.
    """
    await assert_no_way_around(cluster)
    async with cluster.parted_leader() as node:
        there, here = cluster.clients[node], cluster.clients[(node + 1) % NODES]
        before = await cluster.routes_of(node)
        heard = [await client.subscribe("partition.>") for client in (there, here)]
        await asyncio.gather(there.flush(), here.flush())
        await there.publish("partition.x", b"from there")
        await here.publish("partition.x", b"from here")
        await published(here, "turn.outcome.h.d.majority")
        assert await publish(there, "turn.outcome.h.d.minority")
        async with asyncio.timeout(30):
            while before.keys() & (await cluster.routes_of(node)).keys():
                await asyncio.sleep(0.1)
        assert await publish(there, "turn.outcome.h.d.minority")
        # Its own words come back to each, and nothing else has come.
        for each, words in zip(heard, (b"from there", b"from here"), strict=True):
            assert (await each.next_msg(5)).data == words
            assert each.pending_msgs == 0
        for each in heard:
            await each.unsubscribe()
    await cluster.whole()
    await assert_no_way_around(cluster)
    for number, client in enumerate(cluster.clients):
        await published(client, f"turn.outcome.h.d.healed{number}")
    stored = await cluster.clients[node].jetstream().stream_info("OUTCOMES", subjects_filter=">")
    assert set(stored.state.subjects or {}) == {
        "turn.outcome.h.d.majority",
        *(f"turn.outcome.h.d.healed{number}" for number in range(NODES)),
    }


async def test_what_a_leader_without_a_majority_can_not_decide_is_waited_for(cluster: Cluster) -> None:
    """It refuses another attempt at what it may have stored already; that is not the stream's last word."""
    async with cluster.parted_leader() as node:
        there = cluster.clients[node]
        by_id, by_subject = "turn.outcome.h.d.id", "turn.outcome.h.d.subject"
        assert await publish(there, by_id, 0.5, **{ID: "a"}) == "TimeoutError"
        assert await publish(there, by_id, **{ID: "a"}) == ID_IN_PROCESS
        assert await publish(there, by_subject, 0.5, **{EXPECTED: "0"}) == "TimeoutError"
        assert await publish(there, by_subject, **{EXPECTED: "0"}) == SUBJECT_IN_PROCESS
        publisher = Publisher(there, there.jetstream())
        message = outcome_pb2.Outcome(outcome_id="o")
        storing = [
            asyncio.create_task(publisher.publish(by_id, message, msg_id="a", retry_for_s=60)),
            asyncio.create_task(
                publisher.publish(by_subject, message, expected_last_subject_sequence=0, retry_for_s=60)
            ),
        ]
        decided, _ = await asyncio.wait(storing, timeout=1.0)
        assert not decided
    # Refused by what the first attempt stored after all, if the leader was not replaced meanwhile.
    with contextlib.suppress(ConflictError):
        await storing[1]
    await storing[0]
    stored = await there.jetstream().stream_info("OUTCOMES", subjects_filter=f"{by_id[:-2]}*")
    assert (stored.state.subjects or {}).items() >= {by_id: 1, by_subject: 1}.items()
    await cluster.whole()
