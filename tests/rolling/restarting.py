"""Restarts of single processes, with what they looked like from outside."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

import httpx

from chaos.records import Inflicted
from earshot_local.stack import Stack

GRACE_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """A process that was asked to end, and its successor's start.

    Attributes:
        name: The process.
        exit_status: How it ended.
        drained: Whether it was seen to say "draining" before it ended.
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
    async with contextlib.AsyncExitStack() as resources:
        client = await resources.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=1.0))
        watching = asyncio.create_task(_seen_draining(client, f"{_http(stack, name)}/readyz"))
        try:
            await child.restart()
        finally:
            watching.cancel()
    ended = time.monotonic()
    return Restart(
        name=name,
        exit_status=child.exit_status,
        drained=watching.done() and not watching.cancelled(),
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


async def _seen_draining(client: httpx.AsyncClient, url: str) -> None:
    while True:
        with contextlib.suppress(httpx.HTTPError):
            answer = await client.get(url)
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "draining" in answer.text:
                return
        await asyncio.sleep(0.02)


async def metric(stack: Stack, name: str, figure: str) -> float:
    """Return the sum of a figure over its labels, as a process tells it; 0 where it tells none."""
    async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
        text = (await client.get(f"{_http(stack, name)}/metrics")).text
    lines = (line for line in text.splitlines() if line.startswith((f"{figure} ", f"{figure}{{")))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _http(stack: Stack, name: str) -> str:
    service, _, replica = name.rpartition("-")
    return stack.http(service, int(replica)) if service else stack.http(name)
