"""Turns and traces for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from earshot_cli import absent, waterfall

_STATES = {
    "answered": "green",
    "apologised": "yellow",
    "cancelled": "cyan",
    "rejected": "cyan",
    "abandoned": "yellow",
    "unfinished": "blue",
    "lost": "bold red",
}
# What was said was done; "never mind" was, too. The others are rejected, apologised, and no outcome at all.
_DONE = frozenset({"answered", "cancelled"})
_SERVICES = ("cyan", "magenta", "green", "yellow", "blue", "red")
_BAR = (12, 60)
_TIMES = ("first audio", "decided")
# The reason stands there; and where an attempt was lost, somebody took over.
_SAID_ALREADY = frozenset({"abandoned", "takeover"})


def done(document: Mapping[str, Any]) -> bool:
    """Tell whether what was said was done, by a turn's document; a command of one turn that was not exits with 1."""
    return document["kind"] in _DONE


def turn(document: Mapping[str, Any]) -> RenderableType:
    """Show a spoken or typed turn; its interim transcripts have been shown as they came."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", justify="right")
    lines.add_column(overflow="fold")
    for name, value in _facts(document):
        lines.add_row(name, value)
    parts: list[RenderableType] = [lines]
    if document.get("spans"):
        parts += [Text(""), trace(document["spans"], document.get("marks", ()))]
    return Group(*parts)


def _facts(document: Mapping[str, Any]) -> Iterator[tuple[str, RenderableType]]:
    if document.get("transcript"):
        yield "final", f"{document['transcript']}  ({document['confidence']:.2f})"
    if document["intent"]:
        slots = "  ".join(f"{name}={value}" for name, value in document["slots"].items())
        yield "intent", f"{document['intent']}  {slots}".rstrip()
    kind = document["kind"] or f"abandoned ({document.get('abandoned')})"
    yield "outcome", Text(kind, style=_STATES.get(kind, "yellow"))
    if reason := document.get("reason"):
        yield "why", Text(f"{reason['code']}: {reason['message']}", style="yellow")
    if document["answer"]:
        yield "answer", Text(document["answer"], style="bold")
    if document.get("first_audio_s") is not None:
        yield "first audio", f"{document['first_audio_s'] * 1000:.0f} ms after the end of speech"
    if document.get("answer_wav"):
        yield "WAV", document["answer_wav"]
    for error in document.get("errors", ()):
        yield "error", Text(f"{error['code']}: {error['message']}", style="red")
    yield "turn", document["turn_id"]


def trace(spans: Sequence[Mapping[str, Any]], marks: Sequence[Mapping[str, Any]] = ()) -> RenderableType:
    """Show a trace as a waterfall; what is out of the ordinary stands below its span."""
    rows = waterfall.rows(spans, marks)
    total = waterfall.length_ms(rows)
    colours: dict[str, str] = {}
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.add_column("span", no_wrap=True)
    table.add_column("service", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column(f"0 to {total:.0f} ms")
    for row in rows:
        colour = colours.setdefault(row.service, _SERVICES[len(colours) % len(_SERVICES)])
        name = Text("  " * row.depth + row.name)
        if row.failed and not any(mark.startswith("✗") for mark in row.marks):
            name.append(f"  {row.failed}", style="bold red")
        for mark in row.marks:
            name.append(f"\n{'  ' * row.depth}  {mark}", style="red" if mark.startswith("✗") else "yellow")
        bar = _Bar(row, total, "red" if row.failed else colour)
        table.add_row(name, Text(row.service, style=colour), f"{row.duration_ms:.1f}", bar)
    return table


class _Bar:
    """A span's place in time, as wide as the terminal leaves room for."""

    def __init__(self, row: waterfall.Row, total_ms: float, style: str) -> None:
        self._row = row
        self._total_ms = total_ms
        self._style = style

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(waterfall.bar(self._row, self._total_ms, options.max_width), style=self._style, no_wrap=True)

    def __rich_measure__(self, _console: Console, _options: ConsoleOptions) -> Measurement:
        return Measurement(*_BAR)


def turns(found: Sequence[Mapping[str, Any]], *, waits: bool = False) -> RenderableType:
    """Show a list of turns: each with what its user waited, and when it was decided; with waits, also for whom.

    First audio counts from the end of speech to the first sound of the answer; decided, from the start of speech.
    """
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("started", "device", "turn", "outcome", "intent", *_TIMES, "note"):
        table.add_column(name, no_wrap=name != "note", justify="right" if name in _TIMES else "left")
    for one in found:
        began = datetime.fromtimestamp((one["started_ns"] or one["heard_ns"]) / 1e9, tz=UTC).astimezone()
        table.add_row(
            began.strftime("%m-%d %H:%M:%S"),
            f"{one['household_id']}/{one['device_id']}",
            # The end of an id tells turns apart, its beginning is the time; every command takes either.
            one["turn_id"][-12:],
            Text(one["state"], style=_STATES.get(one["state"], "")),
            one["intent"],
            _seconds(one["first_audio_s"]),
            _seconds(one["duration_s"]),
            "\n".join(filter(None, (waited(one) if waits else "", note(one)))),
        )
    return table


def _seconds(number: float | None) -> str:
    return "" if number is None else f"{number:.2f} s"


def waited(turn: Mapping[str, Any]) -> str:
    """Tell whom a turn's user waited for until first audio; empty where nothing was heard."""
    parts = ", ".join(f"{wait['stage']} {wait['seconds']:.2f} s" for wait in turn.get("waits", ()))
    return f"waited for {parts}" if parts else ""


def note(turn: Mapping[str, Any]) -> str:
    """Tell why a turn was not answered, which faults it went through (at which stage, not each span), and which skills were away."""
    reasons = [turn["abandoned"] or turn["error_code"]]
    reasons += [
        f"{mark['service'].removeprefix('earshot-')}: {mark['text']}"
        for mark in turn.get("marks", ())
        if mark["kind"] not in _SAID_ALREADY
    ]
    reasons += [absent.told(each) for each in turn.get("skills_away", ())]
    return "\n".join(dict.fromkeys(filter(None, reasons)))
