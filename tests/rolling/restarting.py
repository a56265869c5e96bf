"""Restarts of single processes, with what they looked like from outside."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass

import httpx

from chaos.records import Inflicted
from earshot_local.child import Child
from earshot_local.stack import Stack

GRACE_S = 8.0
# Nobody's balancer would have noticed a process that was unready for less.
_AT_ONCE_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """A process that was asked to end, and its successor's start.

    Attributes:
        name: The process.
        exit_status: How it ended.
        drained: Whether it was seen to say "draining" before it ended, or ended at once.
        seconds: From SIGTERM to its successor's readiness.
        inflicted: The same for the checker.
    """

    name: str
    exit_status: int | None
    drained: bool
    seconds: float
    inflicted: Inflicted


async def restart(stack: Stack, name: str) -> Restart:
    """Restart a process by SIGTERM; returns when its successor is ready."""
    child = stack.processes[name]
    began = time.monotonic()
    child.exit_status = None
    over = threading.Event()
    watching = asyncio.create_task(asyncio.to_thread(_seen_draining, f"{_http(stack, name)}/readyz", child, over))
    try:
        await child.restart()
    finally:
        over.set()
    drained = await watching
    ended = time.monotonic()
    return Restart(
        name=name,
        exit_status=child.exit_status,
        drained=drained,
        seconds=ended - began,
        inflicted=Inflicted(
            kind="restart",
            stage=name.rpartition("-")[0] or name,
            target=name,
            multi=False,
            began_at=began,
            recovered_at=ended,
        ),
    )


def _seen_draining(url: str, child: Child, over: threading.Event) -> bool:
    """Ask until a process says that it drains, or is gone; one that had nothing to finish may be gone before it is asked."""
    pid, began = child.pid, time.monotonic()
    with httpx.Client(trust_env=False, timeout=1.0) as client:
        while not over.wait(0.01):
            with contextlib.suppress(httpx.HTTPError):
                answer = client.get(url)
                if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "draining" in answer.text:
                    return True
            if child.pid != pid:
                return time.monotonic() - began < _AT_ONCE_S
    return False


async def metric(stack: Stack, name: str, figure: str) -> float:
    """Return the sum of a figure over its labels, as a process tells it; 0 where it tells none."""
    async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
        text = (await client.get(f"{_http(stack, name)}/metrics")).text
    lines = (line for line in text.splitlines() if line.startswith((f"{figure} ", f"{figure}{{")))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _http(stack: Stack, name: str) -> str:
    service, _, replica = name.rpartition("-")
    return stack.http(service, int(replica)) if service else stack.http(name)
