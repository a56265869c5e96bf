"""Running something until it ends or somebody presses Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Interrupted(Exception):  # noqa: N818 - not an error: somebody wanted it to end
    """A signal ended it, and it was cleaned up."""


def _nothing() -> None:
    """Say nothing."""


def run(work: Coroutine[Any, Any, T], *, stopping: Callable[[], None] = _nothing) -> T:
    """Run a coroutine; the first SIGINT, SIGTERM or SIGHUP (a closed terminal) cancels it.

    Further ones do not disturb its clean-up.

    Args:
        work: What to run.
        stopping: Called when it is cancelled, to say that clean-up takes a moment.

    Raises:
        Interrupted: A signal ended it.
    """

    async def main() -> T:
        task = asyncio.ensure_future(work)
        interrupted = False

        def interrupt() -> None:
            nonlocal interrupted
            if not interrupted:
                interrupted = True
                task.cancel()
                stopping()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, interrupt)
        try:
            return await task
        except asyncio.CancelledError:
            if interrupted:
                raise Interrupted from None
            raise

    # A factory of its own: the process's current loop, if somebody set one, stays what it is.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(main())
