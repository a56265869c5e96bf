"""Who is connected to whom in a running stack, as the operating system tells it.

A look shows what is open. A connection that was over between two looks is seen by what Linux remembers of it for a minute
(TIME_WAIT), which does not say whose it was: it is somebody's. Missed are short ones that were reset, those to ports that nobody was
ever seen to listen to, by whom one was opened that others may open too, and whatever is not TCP.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from earshot_local.stack import Stack

# Connections of the test itself: it stands in for everybody outside.
OUTSIDE = "outside"
# Whoever opened one that was over before anybody looked.
SOMEBODY = "somebody"
_REMEMBERED = ("/proc/net/tcp", "/proc/net/tcp6")
_TIME_WAIT = "06"
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
    _attributed: set[tuple[int, int]] = field(default_factory=set)
    _remembered: set[tuple[int, int]] = field(default_factory=set)
    _before: frozenset[tuple[int, int]] = field(default_factory=lambda: frozenset(_over_by_now()))
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
        self.look()

    def short(self) -> set[Edge]:
        """Return the connections to known ports that were over before anybody saw whose they were."""
        # From which end it was closed says nothing of who opened it.
        unseen = self._remembered - self._before - self._attributed
        return {Edge(SOMEBODY, *self.ports[port]) for pair in unseen for port in pair if port in self.ports}

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
            if each.raddr:
                self._attributed |= {(each.laddr.port, each.raddr.port), (each.raddr.port, each.laddr.port)}
            if each.raddr and each.laddr.port not in listening:
                owner = listening.get(each.raddr.port, f"{each.raddr.ip}:{each.raddr.port}")
                target, port = self.ports.get(each.raddr.port, (owner, ""))
                # The test's process has connections to servers of other tests, too.
                if name != OUTSIDE or each.raddr.port in {*self.ports, *listening}:
                    self.edges.add(Edge(name, target, port))

        self._remembered |= set(_over_by_now())

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.look()


def _connections(process: psutil.Process) -> Iterator[psutil._common.pconn]:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        yield from process.net_connections("tcp")


def _over_by_now() -> Iterator[tuple[int, int]]:
    """Yield the ports of both ends of connections that are over; nothing where this is not Linux."""
    for path in _REMEMBERED:
        with suppress(FileNotFoundError):
            for line in Path(path).read_text().splitlines()[1:]:
                _, local, remote, state, *_ = line.split()
                if state == _TIME_WAIT:
                    yield int(local.rsplit(":", 1)[1], 16), int(remote.rsplit(":", 1)[1], 16)
