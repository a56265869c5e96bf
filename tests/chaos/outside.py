"""The world outside, where skills have their effects: it writes down what happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chaos.records import Effect
from support.http_servers import serving

URL: Final = "EARSHOT_CHAOS_OUTSIDE"
# So that there is a moment between the effect and the answer to whoever asked for it.
_WORK_S: Final = 0.05


@dataclass(slots=True)
class Outside:
    """Servers for a list, a lamp and a counter.

    Attributes:
        effects: What happened; keys are the server's name and the words of the request.
    """

    effects: list[Effect] = field(default_factory=list)
    _done: set[tuple[str, str]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Serve; yield the base URL."""
        async with serving(Starlette(routes=[Route("/{name}", self._take, methods=["POST"])])) as url:
            yield url

    async def _take(self, request: Request) -> Response:
        name, told = request.path_params["name"], await request.json()
        honoured = name == "list"
        if not honoured or (name, told["key"]) not in self._done:
            self._done.add((name, told["key"]))
            self.effects.append(Effect(key=f"{name} {told['code']}", at=time.monotonic()))
        await asyncio.sleep(_WORK_S)
        return Response(status_code=204)
