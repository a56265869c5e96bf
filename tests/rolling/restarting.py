"""Restarts of single processes, with what they looked like from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import httpx

from chaos.records import Inflicted
from earshot_local.child import Child
from earshot_local.stack import Stack
from support.browsing import browser

GRACE_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """A process that was asked to end, and its successor's start.

    Attributes:
        name: The process.
        exit_status: How it ended.
        drained: Whether it says that it drained, and then that it stopped.
        seen_unready: Whether it was seen to be unready meanwhile; on a busy machine it may be gone before it is asked.
        seconds: From SIGTERM to its successor's readiness.
        inflicted: The same for the checker.
    """

    name: str
    exit_status: int | None
    drained: bool
    seen_unready: bool
    seconds: float
    inflicted: Inflicted


async def restart(stack: Stack, name: str, environment: Mapping[str, str] | None = None) -> Restart:
    """Restart a process by SIGTERM; returns when its successor is ready.

    Args:
        stack: The stack.
        name: The process.
        environment: What is other in its successor's, and in that of whoever comes after it.
    """
    child = stack.processes[name]
    if environment:
        child.program = replace(child.program, environment={**child.program.environment, **environment})
    began = time.monotonic()
    child.exit_status = None
    over = threading.Event()
    logged = child.program.log.stat().st_size
    watching = asyncio.create_task(asyncio.to_thread(_seen_draining, f"{_http(stack, name)}/readyz", child, over))
    try:
        await child.restart()
    finally:
        over.set()
    unready = await watching
    ended = time.monotonic()
    return Restart(
        name=name,
        exit_status=child.exit_status,
        drained=_drained(child, logged),
        seen_unready=unready,
        seconds=ended - began,
        inflicted=Inflicted(
            kind="restart",
            stage=name.rpartition("-")[0] or name,
            target=name,
            forgives=False,
            began_at=began,
            recovered_at=ended,
        ),
    )


def _drained(child: Child, logged: int) -> bool:
    told = child.program.log.read_bytes()[logged:].decode()
    lines = (json.loads(line)["event"] for line in told.splitlines() if line.startswith("{"))
    return [event for event in lines if event in ("draining", "stopped")] == ["draining", "stopped"]


def _seen_draining(url: str, child: Child, over: threading.Event) -> bool:
    """Ask until a process says that it drains, or is gone."""
    pid = child.pid
    with httpx.Client(trust_env=False, timeout=1.0, verify=False) as client:  # noqa: S501 - plain HTTP to this machine
        while not over.wait(0.01) and child.pid == pid:
            with contextlib.suppress(httpx.HTTPError):
                answer = client.get(url)
                if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "draining" in answer.text:
                    return True
    return False


async def metric(stack: Stack, name: str, figure: str) -> float:
    """Return the sum of a figure over its labels, as a process tells it; 0 where it tells none."""
    async with browser(timeout=2.0) as client:
        text = (await client.get(f"{_http(stack, name)}/metrics")).text
    lines = (line for line in text.splitlines() if line.startswith((f"{figure} ", f"{figure}{{")))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _http(stack: Stack, name: str) -> str:
    service, _, replica = name.rpartition("-")
    return stack.http(service, int(replica)) if service else stack.http(name)
