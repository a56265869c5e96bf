"""Runs the handler of a call and holds it to its word: time, and exactly one final step."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import datetime

from earshot_skillkit.errors import BrokenSkillError, UnknownIntentError
from earshot_skillkit.replies import Answer, Question, Step
from earshot_skillkit.request import Request
from earshot_skillkit.skill import Handler


class Dispatcher:
    """The handlers of one skill.

    Args:
        handlers: By intent.
        timeout_s: Longest time for one call, in seconds.
        now: The present moment, aware.
    """

    def __init__(self, handlers: Mapping[str, Handler], *, timeout_s: float, now: Callable[[], datetime]) -> None:
        self._handlers = handlers
        self._timeout_s = timeout_s
        self._now = now
        self._in_progress = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self, timeout_s: float) -> bool:
        """Wait until no call is in progress, at most `timeout_s` seconds; return whether that is so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        return self._in_progress == 0

    async def dispatch(self, request: Request) -> AsyncIterator[Step]:
        """Yield the steps of the answer; the last is a question or a final answer.

        Raises:
            UnknownIntentError: Nothing handles the intent.
            TimeoutError: The deadline of the call, or the skill's own limit, has passed.
            BrokenSkillError: The handler ended without a final step, went on after it, or yielded something else.
            EarshotError: Whatever the handler raises.
        """
        handler = self._handlers.get(request.intent)
        if handler is None:
            raise UnknownIntentError(f"there is no intent {request.intent!r}")
        left_s = min(self._timeout_s, (request.deadline - self._now()).total_seconds())
        ends_at = asyncio.get_running_loop().time() + max(left_s, 0.0)
        steps = _steps(handler, request)
        ended = False
        self._in_progress += 1
        self._idle.clear()
        try:
            while True:
                # Around each step, not around the loop: the time limit must never cancel whoever reads the steps.
                async with asyncio.timeout_at(ends_at):
                    step = await anext(steps, None)
                if step is None:
                    break
                if ended:
                    raise BrokenSkillError(f"the handler of {request.intent!r} went on after its final step")
                ended = _is_final(step, request)
                yield step
        finally:
            self._in_progress -= 1
            if self._in_progress == 0:
                self._idle.set()
            await steps.aclose()
        if not ended:
            raise BrokenSkillError(f"the handler of {request.intent!r} ended without a final answer")


async def _steps(handler: Handler, request: Request) -> AsyncGenerator[Step]:
    result = handler(request)
    if inspect.isawaitable(result):
        yield await result
        return
    async for step in result:
        yield step


def _is_final(step: Step, request: Request) -> bool:
    if isinstance(step, Answer):
        if step.final and not step.prompts and not step.directives:
            raise BrokenSkillError(f"the handler of {request.intent!r} answered with nothing")
        return step.final
    return isinstance(step, Question)
