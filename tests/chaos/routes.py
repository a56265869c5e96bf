"""Lines between the nodes of the bus, so that one can be parted from the others while clients still reach it.

Each node has a line of its own with a port for each peer, and finds its peers there. Nodes also tell one another of those
that they have met, and would connect past the lines; so each of them advertises a port at which nobody listens.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from chaos.cutting import Line, lines_for
from chaos.servers import SERVER
from earshot_local.nats_server import Node
from earshot_local.ports import HOST


@dataclass(frozen=True, slots=True)
class Routes:
    """The ways between nodes, for a stack's `way`.

    Attributes:
        lines: One a node, by its number.
        nowhere: A port that refuses.
    """

    lines: Sequence[Line]
    nowhere: int

    def __call__(self, node: Node, peer: Node) -> int:
        """Return where a node finds a peer, and lay the line there."""
        if node is peer:
            return self.nowhere
        line, place = self.lines[number_of(node.name)], number_of(peer.name)
        line.upstream[place] = peer.route_port
        return line.ports[place]

    @contextlib.asynccontextmanager
    async def parted(self, node: int) -> AsyncIterator[None]:
        """Let nothing pass between a node and the others meanwhile; nothing is closed."""
        async with contextlib.AsyncExitStack() as apart:
            for number, line in enumerate(self.lines):
                await apart.enter_async_context(line.held() if number == node else line.apart_from(node))
            yield


def number_of(server: str) -> int:
    """Return the number of a node by its name."""
    return int(server.rsplit("-", 1)[1])


@contextlib.asynccontextmanager
async def routes_between(nodes: int) -> AsyncIterator[Routes]:
    """Open the lines of so many nodes; of one alone, there is nothing to open."""
    names = [f"{SERVER}-{number}" for number in range(nodes if nodes > 1 else 0)]
    async with lines_for(names, nodes=nodes) as lines:
        for line in lines.values():
            line.upstream = [0] * nodes
        # Bound, so that nobody else listens there. A connection that is taken and closed would be tried again at once.
        with socket.socket() as unheard:
            unheard.bind((HOST, 0))
            yield Routes([lines[name] for name in names], nowhere=unheard.getsockname()[1])
