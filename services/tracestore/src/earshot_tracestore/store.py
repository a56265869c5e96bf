"""The store: one thread that writes, one connection that reads.

Writers hand over a batch and wait until it is committed; whatever is waiting when the thread comes round goes into one
transaction, so that many small exports cost one commit. The queue is bounded: when it is full the sender is told to
come back later, which OTLP exporters do. Retention is by number of rows, looked at after each commit; a tenth more than
allowed is let in before the oldest are deleted, so that deleting is rare.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from earshot_chassis.errors import OverloadedError
from earshot_tracestore import schema
from earshot_tracestore.model import Batch, Span, Turn, TurnQuery

T = TypeVar("T")
_QUEUE = 256
# Spans that wait to be written, about 1 kB each: what a flood may cost in memory.
_WAITING_SPANS = 20_000
_SLACK = 1.1


class Store:
    """Spans and turns in SQLite.

    Args:
        path: The database file; made if need be.
        max_spans: How many spans to keep.
        max_turns: How many turns to keep.

    Raises:
        sqlite3.Error: The file can't be opened or is not a database.
    """

    def __init__(self, path: Path, *, max_spans: int, max_turns: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._max_spans = max_spans
        self._max_turns = max_turns
        self._writing = schema.connect(path)
        self._reading = schema.connect(path)
        self._closed = False
        self._waiting_spans = 0
        self._read_lock = threading.Lock()
        self._spans = schema.count(self._writing, "span")
        self._turns = schema.count(self._writing, "turn")
        self._queue: queue.Queue[tuple[Batch, Callable[[BaseException | None], None]] | None] = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._write, name="tracestore-writer", daemon=True)
        self._thread.start()

    async def add(self, batch: Batch) -> None:
        """Write a batch; returns when it is committed.

        Raises:
            OverloadedError: Too much is waiting to be written, or the store is closing.
            sqlite3.Error: It can't be written, for instance because the disk is full.
        """
        if self._closed:
            raise OverloadedError("the trace store is closing")
        loop = asyncio.get_running_loop()
        committed: asyncio.Future[None] = loop.create_future()

        def tell(error: BaseException | None) -> None:
            self._waiting_spans -= len(batch.spans)
            if not committed.done():
                committed.set_exception(error) if error else committed.set_result(None)

        # One batch is always taken, however large: its sender could not make it smaller.
        if self._waiting_spans and self._waiting_spans + len(batch.spans) > _WAITING_SPANS:
            raise OverloadedError("the trace store is behind")
        try:
            self._queue.put_nowait((batch, lambda error: _call(loop, tell, error)))
        except queue.Full:
            raise OverloadedError("the trace store is behind") from None
        self._waiting_spans += len(batch.spans)
        await committed

    async def spans(self, trace_id: str) -> list[Span]:
        """Return a trace's spans in the order of their starts; empty where there is none."""
        return await self._read(lambda connection: schema.spans_of(connection, trace_id))

    async def turn_of_trace(self, trace_id: str) -> Turn | None:
        """Return the turn whose trace this is."""
        return await self._read(lambda connection: schema.turn_of_trace(connection, trace_id))

    async def spans_of_all(self, trace_ids: Sequence[str]) -> dict[str, list[Span]]:
        """Return the spans of several traces."""
        return await self._read(
            lambda connection: {trace_id: schema.spans_of(connection, trace_id) for trace_id in trace_ids}
        )

    async def turn(self, turn_id: str) -> Turn | None:
        """Return a turn by its id."""
        return await self._read(lambda connection: schema.turn(connection, turn_id))

    async def turns_like(self, fragment: str, limit: int) -> list[Turn]:
        """Return turns whose id begins or ends so, newest first."""
        return await self._read(lambda connection: schema.turns_like(connection, fragment, limit))

    async def turns(self, query: TurnQuery) -> list[Turn]:
        """List turns, newest first."""
        return await self._read(lambda connection: schema.turns(connection, query))

    def close(self) -> None:
        """Write what is waiting, then close."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._writing.close()
        with self._read_lock:
            self._reading.close()

    async def _read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        def locked() -> T:
            with self._read_lock:
                return function(self._reading)

        return await asyncio.to_thread(locked)

    def _write(self) -> None:
        while (first := self._queue.get()) is not None:
            waiting, ended = [first], False
            while not self._queue.empty():
                item = self._queue.get_nowait()
                if item is None:
                    ended = True
                    break
                waiting.append(item)
            error = self._commit([batch for batch, _ in waiting])
            for _, tell in waiting:
                tell(error)
            if ended:
                return

    def _commit(self, batches: list[Batch]) -> sqlite3.Error | None:
        now = time.time_ns()
        try:
            with self._writing:
                self._writing.execute("BEGIN IMMEDIATE")
                for batch in batches:
                    schema.add_spans(self._writing, batch.spans)
                    schema.add_facts(self._writing, batch.facts, now)
                    self._spans += len(batch.spans)
                    self._turns += len(batch.facts)
                self._retain()
        except sqlite3.Error as error:
            return error
        return None

    def _retain(self) -> None:
        if self._spans <= self._max_spans * _SLACK and self._turns <= self._max_turns * _SLACK:
            return
        self._spans = schema.count(self._writing, "span")
        self._turns = schema.count(self._writing, "turn")
        spans, turns = max(0, self._spans - self._max_spans), max(0, self._turns - self._max_turns)
        schema.drop_oldest(self._writing, spans=spans, turns=turns)
        self._spans -= spans
        self._turns -= turns


def _call(
    loop: asyncio.AbstractEventLoop, tell: Callable[[BaseException | None], None], error: BaseException | None
) -> None:
    """Tell from the writer's thread, unless the loop has ended meanwhile."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell, error)
