"""Says what it heard, a moment later, so that there is a moment in which it can be killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from earshot_skillkit import Host, Reply, Request, Skill, intent

FOLDER = Path(__file__).parent / "echo"
_THINKING_S = 0.1

Called = Callable[[Request], Awaitable[None]]


async def _nobody(_request: Request) -> None:
    pass


class Echo(Skill):
    """Answers say.

    Args:
        host: What the runtime lends.
        called: Awaited at the beginning of each call.
    """

    def __init__(self, host: Host, called: Called = _nobody) -> None:
        super().__init__(host)
        self._called = called

    @intent("say")
    async def say(self, request: Request) -> Reply:
        """Say the code."""
        await self._called(request)
        await asyncio.sleep(_THINKING_S)
        return request.respond("heard", code=request.text("code"))
