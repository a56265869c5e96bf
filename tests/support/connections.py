"""Who is connected to whom in a running stack, as Linux tells it.

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
from typing import NamedTuple, Self

from earshot_local.stack import Stack

# Connections of the test itself: it stands in for everybody outside.
OUTSIDE = "outside"
# Whoever opened one that was over before anybody looked.
SOMEBODY = "somebody"
# States, as /proc/net/tcp has them.
_TIME_WAIT, _LISTEN = "06", "0A"
# What services keep open.
_EVERY_S = 0.25


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A connection that one process opened to another's port, "grpc" for instance; empty: to a port that nobody knows."""

    source: str
    target: str
    port: str


class _Socket(NamedTuple):
    """A line of /proc/net/tcp."""

    inode: str
    state: str
    port: int
    far_port: int


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
        # Before sockets are attributed: whose was open then and is over now stays nobody's.
        sockets = list(_sockets())
        by_inode = {each.inode: each for each in sockets}
        seen = [
            (name, by_inode[inode]) for name, pid in self._processes() for inode in _inodes(pid) if inode in by_inode
        ]
        listening = {each.port: name for name, each in seen if each.state == _LISTEN}
        for name, each in seen:
            if each.state == _LISTEN:
                continue
            self._attributed |= {(each.port, each.far_port), (each.far_port, each.port)}
            # What has a listening port at this end was opened by the other one.
            if each.port not in listening:
                target, port = self.ports.get(
                    each.far_port, (listening.get(each.far_port, f"port {each.far_port}"), "")
                )
                # The test's process has connections to servers of other tests, too.
                if name != OUTSIDE or each.far_port in {*self.ports, *listening}:
                    self.edges.add(Edge(name, target, port))
        self._remembered |= {(each.port, each.far_port) for each in sockets if each.state == _TIME_WAIT}

    def _processes(self) -> Iterator[tuple[str, int]]:
        """Yield the processes of the stack and of the test, each with its name."""
        yield OUTSIDE, os.getpid()
        children: dict[int, list[int]] = {}
        for pid, parent in _parents():
            children.setdefault(parent, []).append(pid)
        todo = [(self.names[name], child.pid) for name, child in list(self.stack.processes.items()) if child.pid]
        while todo:
            name, pid = todo.pop()
            yield name, pid
            todo += [(name, child) for child in children.get(pid, ())]

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.look()


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # Behind the name, which may hold anything.
            yield int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])


def _inodes(pid: int) -> Iterator[str]:
    """Yield the sockets that a process has open."""
    with suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if (target := str(handle.readlink())).startswith("socket:["):
                    yield target.removeprefix("socket:[").removesuffix("]")


def _sockets() -> Iterator[_Socket]:
    """Yield all of TCP that this machine has, once: a look for each process takes too long where there are thousands."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(FileNotFoundError):
            for line in Path(path).read_text().splitlines()[1:]:
                _, local, far, state, *_, inode = line.split()[:10]
                yield _Socket(inode, state, int(local.rpartition(":")[2], 16), int(far.rpartition(":")[2], 16))


def _over_by_now() -> Iterator[tuple[int, int]]:
    """Yield the ports of both ends of connections that are over."""
    return ((each.port, each.far_port) for each in _sockets() if each.state == _TIME_WAIT)
