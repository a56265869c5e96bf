"""Waiting for several processes to become ready, for no longer than there is hope."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from earshot_chassis.tasks import end
from earshot_local.child import Child
from earshot_local.errors import StartError

_END_S = 1.0


async def all_started(children: Iterable[Child], timeout_s: float | None = None) -> None:
    """Wait until every one of them is ready.

    Raises:
        StartError: One can't start, told at once; or some are not ready in time.
    """
    waiting = {asyncio.create_task(child.started()): child for child in children}
    if not waiting:
        return
    try:
        done, late = await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            await task
        if late:
            told = "; ".join(f"{child.name} {child.trouble()}" for task, child in waiting.items() if task in late)
            raise StartError(f"not ready after {timeout_s:.0f} s: {told}")
    finally:
        await end(waiting, _END_S)
