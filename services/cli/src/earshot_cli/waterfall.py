"""A trace as a waterfall: which span lies under which, when it began, how long it took. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One span in its place.

    Attributes:
        depth: How many spans lie above it.
        name: Its name.
        service: Who made it.
        offset_ms: From the start of the trace.
        duration_ms: How long it took.
        failed: Its error, if it failed.
        marks: What is out of the ordinary about it, in words.
    """

    depth: int
    name: str
    service: str
    offset_ms: float
    duration_ms: float
    failed: str
    marks: tuple[str, ...] = ()


def rows(spans: Sequence[Mapping[str, Any]], marks: Sequence[Mapping[str, Any]] = ()) -> list[Row]:
    """Order spans as a tree, siblings by their starts. A span whose parent is missing stands at the top."""
    if not spans:
        return []
    known = {span["span_id"] for span in spans}
    children: dict[str, list[Mapping[str, Any]]] = {}
    for span in sorted(spans, key=lambda one: (one["start_ns"], -one["end_ns"])):
        parent = span["parent_span_id"] if span["parent_span_id"] in known else ""
        children.setdefault(parent, []).append(span)
    told: dict[str, list[str]] = {}
    for mark in marks:
        told.setdefault(mark["span_id"], []).append(mark["text"])
    zero = min(span["start_ns"] for span in spans)

    def walk(parent: str, depth: int) -> Iterator[Row]:
        for span in children.get(parent, ()):
            yield Row(
                depth=depth,
                name=span["name"],
                service=span["service"].removeprefix("earshot-"),
                offset_ms=(span["start_ns"] - zero) / 1e6,
                duration_ms=(span["end_ns"] - span["start_ns"]) / 1e6,
                failed=(span["status_message"] or "error") if span["status"] == "error" else "",
                marks=tuple(told.get(span["span_id"], ())),
            )
            yield from walk(span["span_id"], depth + 1)

    return list(walk("", 0))


def length_ms(ordered: Sequence[Row]) -> float:
    """Return how long the picture is: the first root and what began within it.

    What comes after is part of the trace, but no user waited for it: a deadline that was obsolete when it fell due.
    """
    if not ordered:
        return 0.0
    end = ordered[0].offset_ms + ordered[0].duration_ms
    return max((row.offset_ms + row.duration_ms for row in ordered if row.offset_ms <= end), default=end)


def bar(row: Row, total_ms: float, width: int) -> str:
    """Draw a row's place in time, to an eighth of a column.

    A span too short to see is still one thin stroke; one that began after the end is told in words.
    """
    if row.offset_ms > total_ms:
        return f"at {row.offset_ms:.0f} ms".rjust(width)
    scale = width * 8 / total_ms if total_ms > 0 else 0.0
    # A bar begins at a whole column: block characters fill from the left only.
    column = min(int(row.offset_ms * scale) // 8, width - 1)
    full, rest = divmod(max(1, round(row.duration_ms * scale)), 8)
    return (" " * column + "█" * full + (_EIGHTHS[rest] if rest else ""))[:width]
