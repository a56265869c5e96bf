"""Makes a whole tree of what arrived of a trace. Pure, and done when it is read: what arrives later takes its place.

A process that dies sends nothing of what it had open. Its attempt is drawn by the successor (`earshot_chassis.attempts`)
and is a span like any other; what is left to be done here is

- a span whose parent was never sent hangs on the attempt that its trace state names, else on the root;
- an attempt that ended, but whose process died before it had sent its spans, has no successor: it is drawn as the moment
  in which it caused what came of it;
- which process died is known where a span within its attempt had been sent;
- a turn whose device never sent its root gets one from what the ledger heard: started, outcome, playback.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from earshot_topology import attributes
from earshot_topology.streams import ASR_STARTED, DIALOGUE_INTERPRETED, NLU_TRANSCRIBED, TTS_OUTCOMES
from earshot_tracestore.model import Span, Turn, TurnFact

ROOT: Final = "voice.turn"
# Whose attempt it is that an event comes of.
_CAUSES: Final = {
    NLU_TRANSCRIBED.event: ASR_STARTED,
    DIALOGUE_INTERPRETED.event: NLU_TRANSCRIBED,
    TTS_OUTCOMES.event: DIALOGUE_INTERPRETED,
}


def whole(spans: Sequence[Span], turn: Turn | None, now_ns: int, settled_after_s: float) -> list[Span]:
    """Return a trace's spans, each with a parent that is there, ordered by start.

    Args:
        spans: What arrived.
        turn: Whose trace it is, if that is known.
        now_ns: The time.
        settled_after_s: What is missing is still to come until nothing was heard for so long.
    """
    settled = now_ns - _last_ns(spans, turn) > settled_after_s * 1e9
    orphans = _orphans(spans)
    roots = [span for span in spans if not span.parent_span_id]
    if not roots and settled and turn is not None:
        roots = [_root(spans, orphans, turn.fact)]
        spans = [roots[0], *spans]
    root = roots[0].span_id if roots else ""
    if settled:
        unsent = {span.span_id: span for span in _unsent(_orphans(spans), root, spans)}
        spans = [*unsent.values(), *spans]
    known = {span.span_id for span in spans}
    instances = {_attempts(span)[0]: span.instance for span in spans if span.instance and _attempts(span)}
    mended = [
        _named(span if span.parent_span_id in known else _adopted(span, known, root), instances) for span in spans
    ]
    return sorted(mended, key=lambda span: (span.start_ns, -span.end_ns))


def _orphans(spans: Sequence[Span]) -> list[Span]:
    known = {span.span_id for span in spans}
    return [span for span in spans if span.parent_span_id and span.parent_span_id not in known]


def _adopted(orphan: Span, known: set[str], root: str) -> Span:
    if not orphan.parent_span_id:
        return orphan
    for attempt in _attempts(orphan):
        if attempt in known and attempt != orphan.span_id:
            return replace(orphan, parent_span_id=attempt)
    return replace(orphan, parent_span_id=root) if root else orphan


def _named(span: Span, instances: Mapping[str, str]) -> Span:
    """Tell which process died, if a span that ended before it did was sent."""
    if not span.attributes.get(attributes.RECONSTRUCTED) or span.span_id not in instances:
        return span
    return replace(span, instance=instances[span.span_id])


def _unsent(orphans: Sequence[Span], root: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Draw the parents that ended, by what came of them: the sender of a message, the caller of a method."""
    services = {span.span_id: span.service for span in spans}
    for orphan in orphans:
        own, *caused_by = _attempts(orphan) or [""]
        if own != orphan.span_id or not caused_by:
            continue
        cause = _CAUSES.get(str(orphan.attributes.get(attributes.MESSAGING_DESTINATION)))
        if orphan.kind == "server" and caused_by[0] in services:
            yield _drawn(
                orphan,
                parent=caused_by[0],
                kind="client",
                name=orphan.name,
                service=services[caused_by[0]],
                end_ns=orphan.end_ns,
            )
        elif orphan.kind == "consumer" and caused_by[0] == orphan.parent_span_id and cause is not None:
            yield _drawn(
                orphan,
                parent=root,
                kind="consumer",
                name=f"{cause.event} process",
                service=f"earshot-{cause.service}",
                end_ns=orphan.start_ns,
            )


def _drawn(orphan: Span, *, parent: str, kind: str, name: str, service: str, end_ns: int) -> Span:
    return Span(
        trace_id=orphan.trace_id,
        span_id=orphan.parent_span_id,
        parent_span_id=parent,
        name=name,
        kind=kind,
        service=service,
        instance="",
        start_ns=orphan.start_ns,
        end_ns=end_ns,
        status="unset",
        status_message="",
        attributes={attributes.RECONSTRUCTED: True},
        events=[],
        links=[],
    )


def _attempts(span: Span) -> list[str]:
    """Return the attempt that a span belongs to, and the one that caused it."""
    told = span.attributes.get(attributes.ATTEMPT)
    return told.split("-") if isinstance(told, str) else []


def _last_ns(spans: Sequence[Span], turn: Turn | None) -> int:
    told = [span.end_ns for span in spans]
    if turn is not None:
        fact = turn.fact
        moments = (turn.heard_ns, fact.started_ns, fact.decided_ns, fact.first_audio_ns, fact.finished_ns)
        told += [moment for moment in moments if moment is not None]
    return max(told, default=0)


def _root(spans: Sequence[Span], orphans: Sequence[Span], fact: TurnFact) -> Span:
    """Draw the device's span under the id that its messages carried, if any of them left a trace."""
    missing = Counter(span.parent_span_id for span in orphans if _attempts(span) in ([], [span.span_id]))
    named = missing.most_common(1)
    moments = [("utterance.started", fact.started_ns), ("outcome.decided", fact.decided_ns)]
    moments += [("playback.started", fact.first_audio_ns), ("playback.ended", fact.finished_ns)]
    heard = [(name, at_ns) for name, at_ns in moments if at_ns is not None]
    times = [at_ns for _, at_ns in heard] + [moment for span in spans for moment in (span.start_ns, span.end_ns)]
    known = {
        attributes.TURN_ID: fact.turn_id,
        attributes.HOUSEHOLD_ID: fact.household_id,
        attributes.DEVICE_ID: fact.device_id,
        attributes.LOCALE: fact.locale,
        attributes.TURN_KIND: fact.outcome,
        attributes.INTENT: fact.intent,
        attributes.ERROR_CODE: fact.abandoned or fact.error_code,
    }
    return Span(
        trace_id=fact.trace_id,
        span_id=named[0][0] if named else hashlib.sha256(fact.turn_id.encode()).hexdigest()[:16],
        parent_span_id="",
        name=ROOT,
        kind="internal",
        service="earshot-device",
        instance="",
        start_ns=fact.started_ns if fact.started_ns is not None else min(times),
        end_ns=max(times),
        status="error" if fact.abandoned else "unset",
        status_message=fact.abandoned,
        attributes={name: value for name, value in known.items() if value} | {attributes.RECONSTRUCTED: True},
        events=[{"name": name, "time_ns": at_ns, "attributes": {}} for name, at_ns in heard],
        links=[],
    )
