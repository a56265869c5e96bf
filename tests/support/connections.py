"""Who is connected to whom in a running stack, as the operating system tells it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import psutil

from earshot_local.stack import Stack

# Connections of the test itself: it stands in for everybody outside.
OUTSIDE = "outside"
# What services keep open; a look costs some 20 ms.
_EVERY_S = 0.25


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A connection that one process opened to another's port, "grpc" for instance; empty: to a port that nobody knows."""

    source: str
    target: str
    port: str


@dataclass(slots=True)
class Watch:
    """Looks at a stack's processes again and again, and keeps every edge that it saw.

    Args:
        stack: Entered.
        names: What processes are called, by their names in the stack.
        ports: What a known port is, by its number: whose, and what for.
    """

    stack: Stack
    names: Mapping[str, str]
    ports: Mapping[int, tuple[str, str]]
    edges: set[Edge] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._thread = threading.Thread(target=self._watch, name="connections", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """End."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Look once, now."""
        own = psutil.Process(os.getpid())
        seen = [(OUTSIDE, own, connection) for connection in _connections(own)]
        for name, child in list(self.stack.processes.items()):
            if child.pid is not None:
                with suppress(psutil.NoSuchProcess):
                    for process in (main := psutil.Process(child.pid), *main.children(recursive=True)):
                        seen += [(self.names[name], process, connection) for connection in _connections(process)]
        listening = {each.laddr.port: name for name, _, each in seen if each.status == psutil.CONN_LISTEN}
        for name, _, each in seen:
            # What has a listening port at this end was opened by the other one.
            if each.raddr and each.laddr.port not in listening:
                owner = listening.get(each.raddr.port, f"{each.raddr.ip}:{each.raddr.port}")
                target, port = self.ports.get(each.raddr.port, (owner, ""))
                # The test's process has connections to servers of other tests, too.
                if name != OUTSIDE or each.raddr.port in {*self.ports, *listening}:
                    self.edges.add(Edge(name, target, port))

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.look()


def _connections(process: psutil.Process) -> Iterator[psutil._common.pconn]:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        yield from process.net_connections("tcp")
