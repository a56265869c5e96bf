"""Ending tasks, within a time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Any

# Before Python 3.12 asyncio.wait_for can lose a cancellation that meets its result: it is repeated.
_AGAIN_S = 0.2


async def end(tasks: Iterable[asyncio.Task[Any]], patience_s: float) -> Collection[asyncio.Task[Any]]:
    """Cancel tasks and wait until they have ended; what they raise is theirs.

    Args:
        tasks: What is to end.
        patience_s: How long to wait.

    Returns:
        Those that still run.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + patience_s
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        done, running = await asyncio.wait(running, timeout=max(0.0, min(_AGAIN_S, give_up - loop.time())))
        for task in done:
            if not task.cancelled():
                task.exception()
        if loop.time() >= give_up:
            break
    return running
