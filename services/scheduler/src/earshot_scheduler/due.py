"""What is due: read in batches, because a thousand alarms are set to half past seven.

    read the records, all at once
      ├── obsolete ─► stop what its record says was stopped ─► acknowledged
      ├── rings already: another delivery of the same ────────► rung again, under the same id
      ├── its record is not there yet ────────────────────────► delivered again; after a while the place is taken, so that
      │                                                          an arming which nobody completed never is in force
      └── fires: arm the next occurrence of a repeat ─► compare-and-set the record ─► ring ─► acknowledged

A crash after any step leaves the message to another delivery, which goes on: the armed occurrence is the same one, the
record tells that it rings and what it stopped, and the device rings once by the occurrence's id. The compare-and-set is what lets one of
several replicas ring; a process that was frozen finds it lost.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opentelemetry.trace import Span, SpanKind

from earshot.device.v1 import directive_pb2
from earshot.schedule.v1 import schedule_pb2
from earshot_chassis import telemetry
from earshot_chassis.batching import Received
from earshot_chassis.codec import CONTENT_TYPE, content_type, encode
from earshot_chassis.errors import ConflictError, EarshotError, InvalidInputError, PermanentError, RetryableError
from earshot_chassis.pipeline import Pipeline, Write
from earshot_chassis.sampling import TokenBucket
from earshot_scheduler import arming, metrics, wire
from earshot_scheduler.core.firing import Fired, Verdict, fire
from earshot_scheduler.core.values import Occurrence, Schedule
from earshot_scheduler.errors import ContendedError, UndecidedError
from earshot_scheduler.store import Kept, ScheduleStore
from earshot_scheduler.wire import Record
from earshot_scheduler.words import Words
from earshot_topology import attributes
from earshot_topology.subjects import DeviceAddress

_ROUNDS = 4
# How long what is due waits for its record. Longer than a write takes; when it takes longer, its compare-and-set finds the
# place taken and it is armed anew.
_UNDECIDED = timedelta(seconds=3)
# Ringings that get a trace of their own: so many at once, and a second.
_TRACED_BURST = 100
_TRACED_RATE = 50.0
_CONTENT_TYPE = content_type(directive_pb2.Directive)
_NO_CONTEXT = telemetry.extract(None)

_NOTHING = Kept()
_NO_RECORD = Record()
_UNDECIDED_YET = Fired(verdict=Verdict.EARLY)

Due = Received[schedule_pb2.OccurrenceDue]


@dataclass(slots=True)
class _Work:
    """One message that is due."""

    item: Due
    household: str
    occurrence: Occurrence
    kept: Kept = _NOTHING
    record: Record = _NO_RECORD
    fired: Fired = _UNDECIDED_YET

    @property
    def key(self) -> tuple[str, str]:
        return self.household, self.occurrence.schedule_id

    @property
    def schedule(self) -> Schedule:
        assert self.fired.schedule is not None  # noqa: S101 - of those that fire or ring again
        return self.fired.schedule


class DueReader:
    """Handles schedule.due.

    Args:
        store: Where schedules are kept.
        pipeline: For many requests at once.
        words: What is said.
        maximum_age: What is older does not ring.
    """

    def __init__(self, store: ScheduleStore, pipeline: Pipeline, words: Words, *, maximum_age: timedelta) -> None:
        self._store = store
        self._pipeline = pipeline
        self._words = words
        self._maximum_age = maximum_age
        self._traced = TokenBucket(_TRACED_RATE, _TRACED_BURST)

    async def due(self, items: Sequence[Due]) -> None:
        """Handle a batch; what can't be handled has its error set.

        Raises:
            RetryableError: The bus did not answer.
        """
        work: list[_Work] = []
        for item in items:
            try:
                occurrence = wire.to_occurrence(item.message)
            except InvalidInputError as error:
                item.error = error
            else:
                work.append(_Work(item, item.message.household_id, occurrence))
        for _ in range(_ROUNDS):
            if not work:
                return
            work = await self._round(work)
        for each in work:
            each.item.error = ContendedError("others kept changing it")

    async def _round(self, work: list[_Work]) -> list[_Work]:
        """Handle messages; return those whose record was changed meanwhile."""
        records = await self._store.read_many({each.key for each in work})
        now = datetime.now(UTC)
        sorted_out: dict[Verdict, list[_Work]] = {verdict: [] for verdict in Verdict}
        for each in work:
            kept = records[each.key]
            if isinstance(kept, PermanentError):
                each.item.error = kept
                continue
            each.kept = kept
            each.record = kept.record or Record()
            each.fired = fire(kept.schedule, each.occurrence, now, maximum_age=self._maximum_age)
            sorted_out[each.fired.verdict].append(each)
        obsolete = sorted_out[Verdict.OBSOLETE]
        if obsolete:
            metrics.DUE.add(len(obsolete), {"result": "obsolete"})
            await self._stop(obsolete)
        overtaken = await self._take_places(sorted_out[Verdict.EARLY], now)
        fires = await self._armed([*sorted_out[Verdict.RINGS], *sorted_out[Verdict.MISSED]])
        decided, contended = await self._decided(fires)
        await self._ring([*sorted_out[Verdict.AGAIN], *decided])
        return [*overtaken, *contended]

    async def _take_places(self, early: Iterable[_Work], now: datetime) -> list[_Work]:
        """Let what is early wait a while; then write its record anew, so that whoever armed it can't any more."""
        abandoned: list[_Work] = []
        for each in early:
            if now - each.item.delivery.timestamp < _UNDECIDED:
                each.item.error = UndecidedError("its record is not there yet")
            else:
                abandoned.append(each)
        if not abandoned:
            return []
        metrics.DUE.add(len(abandoned), {"result": "abandoned"})
        writes = [self._store.written(*each.key, each.record, over=each.kept.revision) for each in abandoned]
        _, contended = _told(abandoned, await self._pipeline.store(writes))
        return contended

    async def _armed(self, fires: Sequence[_Work]) -> list[_Work]:
        """Arm the next occurrence of those that have one; return those that may go on."""
        writes: list[Write] = []
        repeats: list[_Work] = []
        for each in fires:
            following = each.schedule.armed
            if following is not None:
                context = {name: value for name, value in each.item.headers.items() if name == "traceparent"}
                writes.append(arming.armed(each.schedule, following, context))
                repeats.append(each)
        if not writes:
            return list(fires)
        _told(repeats, await self._pipeline.store(writes))
        return [each for each in fires if each.item.error is None]

    async def _decided(self, fires: Sequence[_Work]) -> tuple[list[_Work], list[_Work]]:
        """Write the records of those that fire; return those that were written and those that others were faster with."""
        if not fires:
            return [], []
        writes: list[Write] = []
        for each in fires:
            each.record = each.record.after(each.schedule, each.fired.stopped)
            writes.append(self._store.written(*each.key, each.record, over=each.kept.revision))
        decided, contended = _told(fires, await self._pipeline.store(writes))
        for each in decided:
            if each.fired.missed:
                metrics.MISSED.add(each.fired.missed, {"kind": each.schedule.kind.value})
            if each.fired.verdict is Verdict.MISSED:
                metrics.DUE.add(1, {"result": "missed"})
        return [each for each in decided if each.fired.verdict is Verdict.RINGS], contended

    async def _stop(self, obsolete: Sequence[_Work]) -> None:
        """Stop what the last writers of records were about to stop: they may have died before they did."""
        writes: list[Write] = []
        stopping: list[_Work] = []
        for each in obsolete:
            schedule = each.record.schedule
            if schedule is None or each.item.lease.lost:
                continue
            for stopped in each.record.stopped:
                context = telemetry.trace_headers(each.item.headers)
                writes.append(_written(each, schedule, wire.stop_ring(stopped), context))
                stopping.append(each)
        if writes:
            _told(stopping, await self._pipeline.store(writes))

    async def _ring(self, ringing: Sequence[_Work]) -> None:
        writes: list[Write] = []
        rung: list[_Work] = []
        spans: list[Span] = []
        now = datetime.now(UTC)
        for each in ringing:
            if each.item.lease.lost:
                # Whoever has it now rings.
                continue
            headers = self._trace(each, now, spans)
            directives = [wire.stop_ring(stopped) for stopped in each.record.stopped]
            for directive in (*directives, self._directive(each, now)):
                writes.append(_written(each, each.schedule, directive, headers))
                rung.append(each)
        if not writes:
            return
        _told(rung, await self._pipeline.store(writes))
        for span in spans:
            span.end()
        now_s = time.time()
        results: Counter[str] = Counter()
        for each in ringing:
            if each.item.error is None and each.fired.ringing is not None:
                if each.fired.verdict is Verdict.RINGS:
                    results["rung"] += 1
                    metrics.LATE.record(max(0.0, now_s - each.fired.ringing.due.timestamp()))
                else:
                    results["again"] += 1
        for result, count in results.items():
            metrics.DUE.add(count, {"result": result})

    def _directive(self, work: _Work, now: datetime) -> directive_pb2.Directive:
        occurrence = work.fired.ringing
        assert occurrence is not None  # noqa: S101 - of those that ring
        text, locale = self._words.announcement(work.schedule, occurrence.due, now)
        announcement = directive_pb2.Speak(text=text, locale=locale) if text else None
        return wire.ring(
            work.schedule, occurrence, expires=occurrence.due + self._maximum_age, announcement=announcement
        )

    def _trace(self, work: _Work, now: datetime, spans: list[Span]) -> dict[str, str]:
        """Return the trace context of a ringing: a trace of its own, or in a crowd the trace of whoever set it.

        Making and ending a span is among the dearest steps of a ringing.
        """
        if not self._traced.take():
            metrics.UNTRACED.add(1)
            return telemetry.trace_headers(work.item.headers)
        span = _span(work, now)
        spans.append(span)
        headers: dict[str, str] = {}
        with telemetry.use(span):
            telemetry.inject(headers)
        return headers


def _span(work: _Work, now: datetime) -> Span:
    """Start the trace of a ringing, linked to the one that set it."""
    ringing = work.fired.ringing or work.occurrence
    again: dict[str, str | bool] = {}
    if (number := work.item.delivery.num_delivered) > 1:
        again[attributes.MESSAGING_DELIVERY_COUNT] = str(number)
    if work.item.takes_over:
        again[attributes.TAKEOVER] = True
    return telemetry.start_span(
        "schedule.ring",
        kind=SpanKind.CONSUMER,
        attributes={
            **again,
            attributes.SCHEDULE_KIND: work.schedule.kind.value,
            attributes.HOUSEHOLD_ID: work.household,
            attributes.DEVICE_ID: work.schedule.device,
            attributes.OCCURRENCE_ID: ringing.occurrence_id,
            attributes.SCHEDULE_LATE: max(0.0, (now - ringing.due).total_seconds()),
            attributes.SCHEDULE_MISSED: work.fired.missed,
        },
        parent=_NO_CONTEXT,
        links=telemetry.link_of(telemetry.extract(work.item.headers)),
    )


def _written(work: _Work, schedule: Schedule, directive: directive_pb2.Directive, context: Mapping[str, str]) -> Write:
    # The message id saves the device a repetition; it decides nothing.
    headers = {CONTENT_TYPE: _CONTENT_TYPE, "Nats-Msg-Id": directive.directive_id, **context}
    subject = DeviceAddress(work.household, schedule.device).directive()
    return Write(subject, encode(directive), headers)


def _told(work: Sequence[_Work], results: Sequence[object]) -> tuple[list[_Work], list[_Work]]:
    """Note on each what became of its write; return those that were stored, and those that lost a compare-and-set."""
    stored: list[_Work] = []
    contended: list[_Work] = []
    for each, result in zip(work, results, strict=True):
        if isinstance(result, ConflictError):
            contended.append(each)
        elif isinstance(result, EarshotError):
            # Whatever a stream refuses now it may take later: a ringing is never given up for that.
            each.item.error = result if result.retryable else RetryableError(str(result), code=result.code)
        else:
            stored.append(each)
    return stored, contended
