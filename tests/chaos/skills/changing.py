"""Skills that change something outside, each with its own promise: a list that honours keys, a lamp, a counter.

Their code is the same: tell the outside server, then say so. What differs is the promise in their manifests, and that the
list's server does a thing once for one key, however often it is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from earshot_skillkit import EffectRefusedError, Host, Reply, Request, Skill, intent

FOLDERS = {name: Path(__file__).parent / name for name in ("list", "lamp", "counter")}
_PATIENCE_S = 3.0

At = Callable[[str, Request], Awaitable[None]]


async def _nobody(_point: str, _request: Request) -> None:
    pass


class Changing(Skill):
    """Answers the one intent of its folder.

    Args:
        host: What the runtime lends.
        url: Where the outside server takes effects of this kind.
        at: Awaited before and after the effect.
    """

    def __init__(self, host: Host, url: str, at: At = _nobody) -> None:
        super().__init__(host)
        self._client = httpx.AsyncClient(timeout=_PATIENCE_S, trust_env=False)
        self._url = url
        self._at = at

    async def stop(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def change(self, request: Request) -> Reply:
        """Have the effect, and say so."""
        await self._at("before effect", request)
        code = request.text("code")

        async def perform(key: str) -> None:
            try:
                answer = await self._client.post(self._url, json={"code": code, "key": key})
            except httpx.ConnectError as error:
                raise EffectRefusedError("the outside server can't be reached") from error
            answer.raise_for_status()

        await request.once("change", perform)
        await self._at("after effect", request)
        return request.respond("done", code=request.text("code"))


class List(Changing):
    """Exactly once: the server honours the key."""

    @intent("add")
    async def add(self, request: Request) -> Reply:
        """Put something on the list."""
        return await self.change(request)


class Lamp(Changing):
    """At most once: toggling twice is as bad as not at all."""

    @intent("toggle")
    async def toggle(self, request: Request) -> Reply:
        """Toggle the lamp."""
        return await self.change(request)


class Counter(Changing):
    """At least once."""

    @intent("count")
    async def count(self, request: Request) -> Reply:
        """Count."""
        return await self.change(request)


SKILLS = {"list": List, "lamp": Lamp, "counter": Counter}
