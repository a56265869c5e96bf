"""The database's tables, and how rows are written and read. Plain functions on a connection; threads are `store`'s."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from earshot_topology import attributes
from earshot_tracestore.model import ABANDONED_BY_ITSELF, Span, Turn, TurnFact, TurnQuery

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS span (
  trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_span_id TEXT NOT NULL, name TEXT NOT NULL,
  kind TEXT NOT NULL, service TEXT NOT NULL, instance TEXT NOT NULL, start_ns INTEGER NOT NULL,
  end_ns INTEGER NOT NULL, status TEXT NOT NULL, status_message TEXT NOT NULL, attributes TEXT NOT NULL,
  events TEXT NOT NULL, links TEXT NOT NULL, PRIMARY KEY (trace_id, span_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS span_by_start ON span (start_ns);
CREATE TABLE IF NOT EXISTS turn (
  turn_id TEXT NOT NULL, household_id TEXT NOT NULL, device_id TEXT NOT NULL, trace_id TEXT NOT NULL,
  locale TEXT NOT NULL, started_ns INTEGER, outcome TEXT NOT NULL, decided_ns INTEGER, intent TEXT NOT NULL,
  error_code TEXT NOT NULL, end_of_speech_ns INTEGER, first_audio_ns INTEGER, first_audio_s REAL, finished_ns INTEGER,
  abandoned TEXT NOT NULL, heard_ns INTEGER NOT NULL, PRIMARY KEY (household_id, device_id, turn_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS turn_by_id ON turn (turn_id);
CREATE INDEX IF NOT EXISTS turn_by_time ON turn (heard_ns);
CREATE INDEX IF NOT EXISTS turn_by_trace ON turn (trace_id);
"""

# What a database of an earlier version lacks.
_ADDED = {"end_of_speech_ns": "INTEGER", "first_audio_s": "REAL"}
# What a user waited; see `Turn.first_audio_s`.
_WAITED = "coalesce(first_audio_s, (first_audio_ns - end_of_speech_ns) / 1e9)"
_FACT = tuple(field.name for field in fields(TurnFact))
_NUMBERS = {"started_ns", "decided_ns", "end_of_speech_ns", "first_audio_ns", "first_audio_s", "finished_ns"}


def _kept(column: str) -> str:
    """Keep the first thing that was told: an outcome is decided once, and a redelivery tells nothing new."""
    if column in _NUMBERS:
        return f"{column} = coalesce(turn.{column}, excluded.{column})"
    return f"{column} = CASE turn.{column} WHEN '' THEN excluded.{column} ELSE turn.{column} END"


_ADD_FACT = (
    f"INSERT INTO turn ({', '.join(_FACT)}, heard_ns) VALUES ({', '.join('?' * (len(_FACT) + 1))}) "  # noqa: S608
    "ON CONFLICT (household_id, device_id, turn_id) DO UPDATE SET "
    + ", ".join(_kept(column) for column in _FACT if column not in {"turn_id", "household_id", "device_id"})
)
_SPAN = tuple(field.name for field in fields(Span))
# A span that was drawn for a process gives way to what that process sends when it turns out to be alive, in either order.
_DRAWN = f"""json_extract({{}}.attributes, '$."{attributes.RECONSTRUCTED}"')"""
_ADD_SPAN = (
    f"INSERT INTO span ({', '.join(_SPAN)}) VALUES ({', '.join('?' * len(_SPAN))}) "  # noqa: S608 - our own names
    "ON CONFLICT (trace_id, span_id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _SPAN if column not in {"trace_id", "span_id"})
    + f" WHERE {_DRAWN.format('excluded')} IS NULL OR {_DRAWN.format('span')} IS NOT NULL"
)
_JSON = {"attributes", "events", "links"}


def connect(path: Path) -> sqlite3.Connection:
    """Open the database and make its tables.

    Raises:
        sqlite3.Error: The file can't be opened or is not a database.
    """
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5.0)
    try:
        connection.executescript(_SCHEMA)
        there = {row[1] for row in connection.execute("PRAGMA table_info(turn)")}
        for column, kind in _ADDED.items():
            if column not in there:
                connection.execute(f"ALTER TABLE turn ADD COLUMN {column} {kind}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def add_spans(connection: sqlite3.Connection, spans: Iterable[Span]) -> None:
    """Write spans; one that is exported again replaces itself, and what was drawn of it."""
    connection.executemany(
        _ADD_SPAN,
        (
            [json.dumps(getattr(span, name)) if name in _JSON else getattr(span, name) for name in _SPAN]
            for span in spans
        ),
    )


def add_facts(connection: sqlite3.Connection, facts: Iterable[TurnFact], now_ns: int) -> None:
    """Add what is new about turns."""
    connection.executemany(_ADD_FACT, ([*(getattr(fact, name) for name in _FACT), now_ns] for fact in facts))


def count(connection: sqlite3.Connection, table: str) -> int:
    """Count the rows of span or turn."""
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our own names


def drop_oldest(connection: sqlite3.Connection, *, spans: int, turns: int) -> None:
    """Delete so many of the oldest rows."""
    for table, order, surplus in (("span", "start_ns", spans), ("turn", "heard_ns", turns)):
        if surplus > 0:
            connection.execute(
                f"DELETE FROM {table} WHERE {order} <= "  # noqa: S608 - our own names
                f"(SELECT {order} FROM {table} ORDER BY {order} LIMIT 1 OFFSET ?)",
                (surplus - 1,),
            )


def spans_of(connection: sqlite3.Connection, trace_id: str) -> list[Span]:
    """Return a trace's spans in the order of their starts."""
    rows = connection.execute(
        f"SELECT {', '.join(_SPAN)} FROM span WHERE trace_id = ? ORDER BY start_ns, end_ns DESC",  # noqa: S608
        (trace_id,),
    )
    return [
        Span(**{name: json.loads(value) if name in _JSON else value for name, value in zip(_SPAN, row, strict=True)})
        for row in rows
    ]


def turn_of_trace(connection: sqlite3.Connection, trace_id: str) -> Turn | None:
    """Return the turn whose trace this is."""
    return next(iter(_turns(connection, "trace_id = ?", [trace_id], 1)), None)


def turn(connection: sqlite3.Connection, turn_id: str) -> Turn | None:
    """Return a turn by its id."""
    return next(iter(_turns(connection, "turn_id = ?", [turn_id], 1)), None)


def turns_like(connection: sqlite3.Connection, fragment: str, limit: int) -> list[Turn]:
    """Return turns whose id begins or ends so, newest first."""
    plain = re.sub(r"[\\%_]", r"\\\g<0>", fragment)
    like = "turn_id LIKE ? ESCAPE '\\'"
    return _turns(connection, f"{like} OR {like}", [f"{plain}%", f"%{plain}"], limit)


def turns(connection: sqlite3.Connection, query: TurnQuery) -> list[Turn]:
    """List turns, newest first; those that were slow, slowest first."""
    conditions, values = ["1"], list[object]()
    for column, value in (("household_id", query.household_id), ("device_id", query.device_id)):
        if value:
            conditions.append(f"{column} = ?")
            values.append(value)
    if query.at_ns is not None:
        half = int(query.window_s * 1e9)
        conditions.append("coalesce(started_ns, heard_ns) BETWEEN ? AND ?")
        values += [query.at_ns - half, query.at_ns + half]
    if query.slower_than_s is None:
        return _turns(connection, " AND ".join(conditions), values, query.limit)
    given_up = ", ".join(f"'{reason}'" for reason in sorted(ABANDONED_BY_ITSELF))
    conditions.append(f"({_WAITED} > ? OR abandoned IN ({given_up}))")
    order = f"abandoned IN ({given_up}) DESC, {_WAITED} DESC"
    return _turns(connection, " AND ".join(conditions), [*values, query.slower_than_s], query.limit, order)


def _turns(
    connection: sqlite3.Connection,
    condition: str,
    values: Sequence[object],
    limit: int,
    order: str = "coalesce(started_ns, heard_ns) DESC",
) -> list[Turn]:
    rows = connection.execute(
        f"SELECT {', '.join(_FACT)}, heard_ns FROM turn WHERE {condition} "  # noqa: S608 - conditions are ours
        f"ORDER BY {order} LIMIT ?",
        (*values, limit),
    )
    return [Turn(fact=TurnFact(**dict(zip(_FACT, row[:-1], strict=True))), heard_ns=row[-1]) for row in rows.fetchall()]
