"""On three nodes KEDA has to find the one that leads a consumer; it does by names, and by nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from earshot_local.stack import Stack
from earshot_topology.streams import CONSUMERS
from support import keda

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

# As values of the official chart and the ConfigMap `bus` have it: the headless Service, and pods as server names.
ENDPOINT = "nats-headless.earshot.svc.cluster.local:8222"
NODES = ("nats-server-0", "nats-server-1", "nats-server-2")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run three nodes with three copies of everything, and nobody on them."""
    async with Stack(home=tmp_path_factory.mktemp("cluster"), services=(), tracestore=False, nodes=3) as running:
        await running.ready(120)
        yield running


def get(stack: Stack, routes: tuple[str, ...]) -> keda.Get:
    """Return what asks a node by its name in the cluster; nodes know one another by these routes."""
    servers = {name: keda.monitoring(stack.home.nats / f"{name}.conf") for name in NODES}

    def place(host: str) -> str:
        return servers[NODES[0]] if host == ENDPOINT else servers[host.removesuffix(f".{ENDPOINT}")]

    plain = keda.getting(place)

    async def asked(url: str) -> Any:
        answer = await plain(url)
        if url.endswith("/varz"):
            # On this machine they are addresses; a StatefulSet's are names.
            answer["cluster"]["urls"] = list(routes)
        return answer

    return asked


def metadata(account: str, stream: str, consumer: str) -> dict[str, str]:
    """Return a trigger's parameters."""
    return {"account": account, "stream": stream, "consumer": consumer, "natsServerMonitoringEndpoint": ENDPOINT}


async def test_the_leader_of_every_consumer_is_found_by_its_name(stack: Stack) -> None:
    """Routes by pod name, and server_name = pod name: each consumer is read at the node that leads it."""
    account = await keda.account(keda.monitoring(stack.home.nats / f"{NODES[0]}.conf"))
    routes = tuple(f"{node}.nats-headless:6222" for node in NODES)
    for consumer in CONSUMERS:
        assert await keda.lag(metadata(account, consumer.stream, consumer.durable), get(stack, routes)) == 0


async def test_routes_by_address_leave_keda_without_a_leader(stack: Stack) -> None:
    """Addresses as routes are "127" to KEDA, a node that there is not: it can't be asked, let alone lead anything."""
    account = await keda.account(keda.monitoring(stack.home.nats / f"{NODES[0]}.conf"))
    consumer = CONSUMERS[0]
    asked = get(stack, ("127.0.0.1:6222", "127.0.0.1:6223", "127.0.0.1:6224"))
    with pytest.raises(KeyError, match="127"):
        await keda.lag(metadata(account, consumer.stream, consumer.durable), asked)
