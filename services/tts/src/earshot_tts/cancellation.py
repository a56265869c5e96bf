"""Cancellations that get lost on their way."""

from __future__ import annotations

import asyncio


def cancelling() -> bool:
    """Return whether the current task was cancelled, even where a library below it swallowed that."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
