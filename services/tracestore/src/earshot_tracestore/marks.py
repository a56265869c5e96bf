"""What is out of the ordinary in a trace, in a few words a span: what `earshot trace` and `earshot turns` show. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from earshot_topology import attributes
from earshot_tracestore.model import ABANDONED_BY_ITSELF, Span


class MarkKind(StrEnum):
    """What happened; stable, for programs."""

    LOST = "attempt_lost"
    UNKNOWN = "attempt_unknown"
    FENCED = "lease_lost"
    TAKEOVER = "takeover"
    REDELIVERY = "redelivery"
    HANDED_OVER = "handed_over"
    PARKED = "parked"
    DEADLINE = "deadline"
    ARMED = "deadline_armed"
    UNSENT = "unsent"
    ROOT = "root_reconstructed"
    ABANDONED = "abandoned"


# Ordinary: part of every turn, so not what a list of turns has to tell.
ORDINARY = frozenset({MarkKind.ARMED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing about one span.

    Attributes:
        span_id: Which.
        name: Its name.
        service: Its service.
        kind: What.
        text: The same for people.
    """

    span_id: str
    name: str
    service: str
    kind: MarkKind
    text: str


def marks(spans: Sequence[Span]) -> list[Mark]:
    """Return the marks of a trace, in the order of its spans; none where there is only what happens in every turn."""
    found = [
        Mark(span_id=span.span_id, name=span.name, service=span.service, kind=kind, text=text)
        for span in spans
        for kind, text in (*_of_attempt(span), *_of_redelivery(span), *_of_turn(span), *_of_moments(span))
    ]
    return found if notable(found) else []


def notable(found: Sequence[Mark]) -> list[Mark]:
    """Return what a list of turns tells: what happens in every turn is left out."""
    return [mark for mark in found if mark.kind not in ORDINARY]


def _of_attempt(span: Span) -> Iterator[tuple[MarkKind, str]]:
    if span.attributes.get(attributes.RECONSTRUCTED):
        if not span.parent_span_id:
            yield MarkKind.ROOT, "✗ no word from the device: drawn from its messages"
        elif span.attributes.get(attributes.ATTEMPT_END) == MarkKind.UNKNOWN:
            yield MarkKind.UNKNOWN, "? ended, handed over or lost: whoever went on was not there yet"
        elif span.status == "error":
            who = span.instance or span.attributes.get(attributes.SERVER_ADDRESS, "")
            yield MarkKind.LOST, f"✗ killed, frozen or cut off{f' ({who})' if who else ''}; {_until_takeover(span)}"
        else:
            yield MarkKind.UNSENT, "✗ its process died before it could tell: drawn from what came of it"
    elif span.attributes.get(attributes.ERROR_CODE) == MarkKind.FENCED:
        yield MarkKind.FENCED, "✗ lease lost: frozen, and another's work by now; it said nothing more"


def _of_redelivery(span: Span) -> Iterator[tuple[MarkKind, str]]:
    if span.attributes.get(attributes.RECONSTRUCTED):
        return
    number = _number(span.attributes.get(attributes.MESSAGING_DELIVERY_COUNT))
    if span.attributes.get(attributes.TAKEOVER):
        yield MarkKind.TAKEOVER, f"↻ delivery {number}: took over"
    elif number > 1:
        yield MarkKind.REDELIVERY, f"↻ delivery {number}"
    if span.kind == "server" and _number(span.attributes.get(attributes.SKILL_ATTEMPT)) > 1:
        yield MarkKind.REDELIVERY, "↻ asked again"


def _of_turn(span: Span) -> Iterator[tuple[MarkKind, str]]:
    told = span.attributes
    if result := told.get(attributes.DEADLINE_RESULT):
        kind = told.get(attributes.TURN_KIND, "")
        yield MarkKind.DEADLINE, f"⏰ deadline for {told.get(attributes.DEADLINE_FOR)} fired: {result}, {kind}"
    reason = told.get(attributes.ERROR_CODE)
    if not span.parent_span_id and reason in ABANDONED_BY_ITSELF:
        yield MarkKind.ABANDONED, f"✗ the device gave up and apologised itself: {reason}"


def _of_moments(span: Span) -> Iterator[tuple[MarkKind, str]]:
    for event in span.events:
        noted = event.get("attributes") or {}
        match event.get("name"):
            case "message.parked":
                yield MarkKind.PARKED, f"✗ parked: {noted.get(attributes.ERROR_CODE)}"
            case "message.handed_over":
                yield MarkKind.HANDED_OVER, "↷ handed over: its process was leaving"
            case "deadline.armed":
                yield MarkKind.ARMED, _armed(noted)


def _until_takeover(span: Span) -> str:
    if span.kind == "server":
        return f"given up after {(span.end_ns - span.start_ns) / 1e9:.1f} s"
    silent = span.attributes.get(attributes.SILENT_SECONDS)
    return f"silent, taken over after {silent:.1f} s" if isinstance(silent, int | float) else "taken over"


def _armed(noted: Mapping[str, Any]) -> str:
    in_s = noted.get(attributes.DEADLINE_IN)
    when = f" in {in_s:.1f} s" if isinstance(in_s, int | float) else ""
    return f"deadline for {noted.get(attributes.DEADLINE_FOR)} armed{when}"


def _number(told: object) -> int:
    try:
        return int(str(told))
    except ValueError:
        return 0
