"""Ending tasks."""

from __future__ import annotations

import asyncio
from typing import Any

_ASK_AGAIN_S = 0.1


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and wait until they have ended, however they do.

    Python 3.11's `asyncio.wait_for`, which libraries below us use, loses a cancellation that coincides with what it
    waited for; so a task that goes on is asked again.
    """
    given = [task for task in tasks if task is not None]
    pending = {task for task in given if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_ASK_AGAIN_S)
    for task in given:
        if not task.cancelled():
            # Looked at, so that asyncio does not report it as forgotten.
            task.exception()
