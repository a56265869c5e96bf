"""The trace store's API, as a client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from earshot_cli.errors import BadArgumentError, NotFoundError, UnreachableError

_TIMEOUT_S = 5.0
# Exporters flush every half second: a trace is whole when nothing came for longer than that.
_QUIET_S = 0.8
_POLL_S = 0.1
# What the store gives at most: turns of one question, and half the time that it looks at.
_PAGE = 1_000
_WINDOW_S = 604_800.0
_OVERLAP_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A turn as the ledger knows it, the spans of its trace, and what is out of the ordinary about them."""

    turn: Mapping[str, Any]
    spans: Sequence[Mapping[str, Any]]
    marks: Sequence[Mapping[str, Any]] = ()


class TraceClient:
    """Asks the trace store.

    Args:
        url: Where its API is.
        transport: For tests.
    """

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        # Authorities take longer to read than the store to answer; on this machine it speaks plain HTTP.
        verified = url.startswith("https:")
        self._http = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_S, transport=transport, verify=verified)

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def turns(self, **query: str | float) -> list[dict[str, Any]]:
        """List turns; the query is that of GET /api/turns.

        Raises:
            UnreachableError: The trace store does not answer.
        """
        found: list[dict[str, Any]] = (await self._get("/api/turns", query))["turns"]
        return found

    async def begun(self, **query: str) -> list[float]:
        """Return when every turn that is kept began, Unix seconds in order; the query is that of GET /api/turns.

        Raises:
            UnreachableError: The trace store does not answer.
        """
        began: dict[str, int] = {}
        page = await self.turns(**query, limit=_PAGE)
        while fresh := [one for one in page if one["turn_id"] not in began]:
            began.update((one["turn_id"], one["started_ns"] or one["heard_ns"]) for one in fresh)
            # The window of a question lies around its time: this one ends a moment behind the oldest so far.
            middle = min(began.values()) / 1e9 - _WINDOW_S + _OVERLAP_S
            at = datetime.fromtimestamp(middle, tz=UTC).isoformat()
            page = await self.turns(**query, limit=_PAGE, at=at, window_s=_WINDOW_S)
        return [nanoseconds / 1e9 for nanoseconds in sorted(began.values())]

    async def turn(self, turn_id: str) -> Traced:
        """Return one turn.

        Raises:
            NotFoundError: It is unknown.
            BadArgumentError: `fragment_too_short`; or `ambiguous_turn`: it is a part of several ids, which the message lists.
            UnreachableError: The trace store does not answer.
        """
        found = await self._get(f"/api/turns/{quote(turn_id or ' ', safe='')}", {})
        return Traced(turn=found["turn"], spans=found["spans"], marks=found["marks"])

    async def whole(self, turn_id: str, patience_s: float = 5.0) -> Traced | None:
        """Wait until a turn's trace has its root and has stopped growing; None if it is not known in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        latest: Traced | None = None
        grew = loop.time()
        while loop.time() < until:
            try:
                found = await self.turn(turn_id)
            except NotFoundError:
                await asyncio.sleep(_POLL_S)
                continue
            if latest is None or len(found.spans) != len(latest.spans):
                grew = loop.time()
            latest = found
            drawn = {mark["span_id"] for mark in found.marks if mark["kind"] == "root_reconstructed"}
            rooted = any(not span["parent_span_id"] and span["span_id"] not in drawn for span in found.spans)
            if rooted and loop.time() - grew > _QUIET_S:
                break
            await asyncio.sleep(_POLL_S)
        return latest

    async def _get(self, path: str, query: Mapping[str, str | float]) -> Any:
        try:
            answer = await self._http.get(path, params=dict(query))
        except httpx.TransportError as error:
            raise UnreachableError(f"the trace store at {self._url} does not answer; is the stack running?") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotFoundError(f"{path.rsplit('/', 1)[-1]}: {answer.json()['message']}")
        if answer.status_code in {httpx.codes.BAD_REQUEST, httpx.codes.CONFLICT}:
            told = answer.json()
            candidates = "".join(f"\n  {_candidate(turn)}" for turn in told.get("turns", ()))
            raise BadArgumentError(f"{told['message']}{candidates}", code=told["code"])
        if answer.is_error:
            raise UnreachableError(f"the trace store refused the question: {answer.json().get('message', 'no reason')}")
        return answer.json()


def _candidate(turn: Mapping[str, Any]) -> str:
    began = datetime.fromtimestamp((turn["started_ns"] or turn["heard_ns"]) / 1e9, tz=UTC).astimezone()
    return f"{turn['turn_id']}  {began:%m-%d %H:%M:%S}  {turn['household_id']}/{turn['device_id']}  {turn['state']}"
