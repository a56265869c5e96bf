"""The query API: JSON over HTTP on the loopback address.

GET /api/turns?household=&device=&at=<RFC 3339>&window_s=&limit=    turns, newest first, each with its marks
   …&slower_than_s=              those alone whose user waited longer for first audio, or in vain; longest first
   …                             each with its waits, too: whom its user waited for until first audio
GET /api/turns/<turn>            one turn, the spans of its trace and their marks; 6 characters of the beginning or end of its
                                 id will do: 400 `fragment_too_short` for fewer, 409 `ambiguous_turn` with `turns` for several
GET /api/traces/<trace id>       the spans of a trace and their marks
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from earshot_tracestore.marks import marks, notable
from earshot_tracestore.mending import whole
from earshot_tracestore.model import Span, Turn, TurnQuery
from earshot_tracestore.otlp_http import TracesEndpoint
from earshot_tracestore.store import Store
from earshot_tracestore.waits import waits

_MAX_LIMIT = 1000
# Of a turn's id.
_SHORTEST = 6
_CANDIDATES = 10


class QueryApi:
    """Answers questions about turns and traces."""

    def __init__(self, store: Store, lost_after_s: float, settled_after_s: float) -> None:
        self._store = store
        self._settled_after_s = settled_after_s
        self._lost_after_s = lost_after_s

    async def index(self, _request: Request) -> Response:
        """Tell what can be asked."""
        return JSONResponse({"turns": "/api/turns", "turn": "/api/turns/{turn}", "trace": "/api/traces/{trace_id}"})

    async def turns(self, request: Request) -> Response:
        """List turns."""
        try:
            query = _query(request.query_params)
        except ValueError as error:
            return JSONResponse({"code": "invalid_query", "message": str(error)}, status_code=400)
        found = await self._store.turns(query)
        spans = await self._store.spans_of_all([turn.fact.trace_id for turn in found if turn.fact.trace_id])
        told = [self._turn(turn) | self._faults(spans.get(turn.fact.trace_id, []), turn) for turn in found]
        return JSONResponse({"turns": told})

    async def turn(self, request: Request) -> Response:
        """Return one turn with its spans."""
        wanted = request.path_params["turn"]
        found = await self._store.turn(wanted)
        if found is None:
            if len(wanted) < _SHORTEST:
                message = f"give at least {_SHORTEST} characters of the beginning or end of a turn's id"
                return JSONResponse({"code": "fragment_too_short", "message": message}, status_code=400)
            like = await self._store.turns_like(wanted, _CANDIDATES)
            if len(like) > 1:
                turns = [self._turn(each) for each in like]
                message = "several turns have an id that begins or ends so"
                return JSONResponse({"code": "ambiguous_turn", "message": message, "turns": turns}, status_code=409)
            found = next(iter(like), None)
        if found is None:
            return JSONResponse({"code": "unknown_turn", "message": "no such turn is known"}, status_code=404)
        spans = await self._store.spans(found.fact.trace_id) if found.fact.trace_id else []
        waited = {"waits": [asdict(wait) for wait in waits(found, spans)]}
        return JSONResponse({"turn": self._turn(found) | waited} | self._trace(spans, found))

    async def trace(self, request: Request) -> Response:
        """Return a trace's spans."""
        trace_id = request.path_params["trace_id"].lower()
        spans = await self._store.spans(trace_id)
        if not spans:
            return JSONResponse({"code": "unknown_trace", "message": "no such trace is known"}, status_code=404)
        return JSONResponse(self._trace(spans, await self._store.turn_of_trace(trace_id)))

    def _trace(self, spans: Sequence[Span], turn: Turn | None) -> dict[str, Any]:
        mended = whole(spans, turn, time.time_ns(), self._settled_after_s)
        return {"spans": [asdict(span) for span in mended], "marks": [asdict(mark) for mark in marks(mended)]}

    def _faults(self, spans: Sequence[Span], turn: Turn) -> dict[str, Any]:
        mended = whole(spans, turn, time.time_ns(), self._settled_after_s)
        return {
            "marks": [asdict(mark) for mark in notable(marks(mended))],
            "waits": [asdict(wait) for wait in waits(turn, spans)],
        }

    def _turn(self, turn: Turn) -> dict[str, Any]:
        state = turn.state(time.time_ns(), self._lost_after_s)
        derived = {"state": state, "duration_s": turn.duration_s, "first_audio_s": turn.first_audio_s}
        return {**asdict(turn.fact), "heard_ns": turn.heard_ns, **derived}


def application(store: Store, *, lost_after_s: float, settled_after_s: float, max_body_bytes: int) -> Starlette:
    """Return the whole HTTP side: OTLP and queries."""
    api = QueryApi(store, lost_after_s, settled_after_s)
    return Starlette(
        routes=[
            Route("/", api.index),
            Route("/v1/traces", TracesEndpoint(store, max_body_bytes).post, methods=["POST"]),
            Route("/api/turns", api.turns),
            Route("/api/turns/{turn}", api.turn),
            Route("/api/traces/{trace_id}", api.trace),
        ]
    )


def _query(parameters: Mapping[str, str]) -> TurnQuery:
    """Read a query.

    Raises:
        ValueError: A parameter can't be read.
    """
    at = parameters.get("at")
    limit = int(parameters.get("limit", "50"))
    window_s = float(parameters.get("window_s", "60"))
    if not 1 <= limit <= _MAX_LIMIT or not 0 < window_s <= 7 * 86400:
        raise ValueError(f"limit must be 1 to {_MAX_LIMIT}, window_s above 0 and at most a week")
    slower = parameters.get("slower_than_s")
    slower_than_s = float(slower) if slower else None
    if slower_than_s is not None and not 0 <= slower_than_s < math.inf:
        raise ValueError("slower_than_s must be a number of seconds")
    moment = datetime.fromisoformat(at) if at else None
    if moment is not None and moment.tzinfo is None:
        raise ValueError("at needs a time zone, for instance 2026-11-22T10:30:00Z")
    return TurnQuery(
        household_id=parameters.get("household", ""),
        device_id=parameters.get("device", ""),
        at_ns=int(moment.timestamp() * 1e9) if moment else None,
        window_s=window_s,
        limit=limit,
        slower_than_s=slower_than_s,
    )
