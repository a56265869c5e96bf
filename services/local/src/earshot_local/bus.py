"""The stack's own bus: one nats-server or a cluster of them, and the streams on it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from functools import partial

import nats
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from earshot_local.child import Child, Program
from earshot_local.credentials import Credentials
from earshot_local.errors import InvalidScaleError
from earshot_local.events import Listener
from earshot_local.home import Home
from earshot_local.nats_server import Node, Way, configuration, directly, program, trust_section
from earshot_local.ports import HOST, Ports
from earshot_local.probe import http_answer, http_ready
from earshot_topology.apply import apply

_PREFERRED_PORT = 4222
NODES = (1, 3)
# What a cluster answers while it has no leader, or not enough members that are up to date.
_NOT_YET = {10004, 10005, 10008, 10009, 10023, 10074, 10076, 10118}
_AGAIN_S = 0.1
# nats-server writes no more to a file that it could not write, until it is started again. With less room than this it
# would soon be there again.
_ROOM = 64 << 20


class LocalBus:
    """nats-server in operator mode with everything the topology declares on it.

    Args:
        home: Where configuration and storage are.
        ports: Where ports come from.
        credentials: Whose users are let in.
        preferred: Whether to try the well-known port first.
        nodes: 1, or 3 for a cluster, which keeps a storage of its own and three copies of everything.
        way: Where nodes of a cluster find one another.

    Raises:
        InvalidScaleError: Another number of nodes.
    """

    def __init__(
        self,
        home: Home,
        ports: Ports,
        credentials: Credentials,
        *,
        preferred: bool,
        nodes: int = 1,
        way: Way = directly,
    ) -> None:
        if nodes not in NODES:
            raise InvalidScaleError(f"a bus of {nodes} nodes: there may be {' or '.join(map(str, NODES))}")
        self._home = home
        self._credentials = credentials
        self._way = way
        clustered = nodes > 1
        self.nodes = tuple(
            Node(
                name=f"nats-server-{number}" if clustered else "nats-server",
                port=ports.take(_PREFERRED_PORT if preferred and not number else 0),
                storage=home.nats / (f"node-{number}" if clustered else "jetstream"),
                monitor_port=ports.take(),
                route_port=ports.take() if clustered else 0,
            )
            for number in range(nodes)
        )

    @property
    def url(self) -> str:
        """Where it listens: all nodes, separated by commas."""
        return ",".join(f"nats://{HOST}:{node.port}" for node in self.nodes)

    def children(self, listener: Listener) -> tuple[Child, ...]:
        """Write the configurations and return the processes."""
        secret = secrets.token_hex(16)
        self._home.trust.write_text(trust_section(self._credentials.trust))
        return tuple(self._child(node, secret, listener) for node in self.nodes)

    def _child(self, node: Node, secret: str, listener: Listener) -> Child:
        config = self._home.nats / f"{node.name}.conf"
        peers = [each for each in self.nodes if each is not node]
        config.touch(mode=0o600)
        config.write_text(configuration(node, secret=secret, peers=peers, way=self._way))
        health = f"http://{HOST}:{node.monitor_port}/{secret}/healthz"
        return Child(
            Program(
                name=node.name,
                command=(str(program()), "-c", str(config)),
                environment=dict(os.environ),
                log=self._home.logs / f"{node.name}.log",
                probe=partial(http_ready, health),
                stuck=partial(_has_room_again, health, node),
                # Nodes that are stopped together wait for one another; what was acknowledged is on disk anyway.
                grace_s=8.0 if len(self.nodes) == 1 else 4.0,
            ),
            listener,
        )

    async def apply_topology(self) -> None:
        """Create or update every stream, consumer and bucket; wait until a cluster is able to.

        Raises:
            TimeoutError: The caller's patience ended.
        """
        client = await nats.connect(
            self.url.split(","),
            user_credentials=str(self._credentials.service("admin")),
            inbox_prefix="_INBOX_admin",
            connect_timeout=2,
            error_cb=_ignore,
        )
        try:
            while True:
                began = time.monotonic()
                try:
                    await apply(client.jetstream())
                except (NatsError, APIError) as error:
                    code = error.err_code if isinstance(error, APIError) else None
                    if len(self.nodes) == 1 or not (code is None or code in _NOT_YET):
                        raise
                    await asyncio.sleep(max(0.0, _AGAIN_S - (time.monotonic() - began)))
                else:
                    return
        finally:
            await client.close()


async def _has_room_again(health: str, node: Node) -> bool:
    """Tell whether a node does not write because it once could not, though it could now."""
    return "write error" in await http_answer(health) and shutil.disk_usage(node.storage).free > _ROOM


async def _ignore(_error: Exception) -> None:
    """Leave it to the call that fails to tell."""
