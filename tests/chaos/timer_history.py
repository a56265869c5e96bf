"""What passed by on the bus, by timer: for people who ask why one did not ring. The checker does not look at it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from google.protobuf import text_format
from google.protobuf.message import DecodeError
from nats.aio.client import Client
from nats.aio.msg import Msg

from chaos.records import Inflicted
from chaos.timer_checker import Rang, Timer, TimerOffence
from earshot.device.v1 import directive_pb2, upstream_pb2
from earshot.schedule.v1 import record_pb2, schedule_pb2

_KEPT: Final = 5_000
_LONGEST: Final = 400
_AROUND_S: Final = 15.0
_BUCKET: Final = "$KV.SCHEDULES."
# Not schedule.due: the server publishes it within the stream, where nobody hears it pass.
_SUBJECTS: Final = ("schedule.arm.>", "device.*.*.down.directive", "device.*.*.up.ring", f"{_BUCKET}>")


class TimerHistory:
    """Listens to a bus; `client` is its administrator's."""

    def __init__(self) -> None:
        self._passed: OrderedDict[str, list[tuple[float, str]]] = OrderedDict()

    async def listen(self, client: Client) -> None:
        """Begin to listen."""
        for subject in _SUBJECTS:
            await client.subscribe(subject, cb=self._hear)
        await client.flush()

    def told(
        self, offence: TimerOffence, timers: Sequence[Timer], rings: Iterable[Rang], faults: Iterable[Inflicted]
    ) -> str:
        """Return what happened around a timer, line by line; times count from when it was set."""
        timer = next((timer for timer in timers if timer.schedule_id == offence.schedule_id), None)
        lines = list(self._passed.get(offence.schedule_id, ()))
        began = timer.steps[0].asked_at if timer is not None and timer.steps else offence.at
        for step in timer.steps if timer is not None else ():
            lines.append((step.asked_at, f"its user asks to {step.what}"))
            if step.answered_at is not None:
                due = f"due at {step.due.at - began:+.3f} s" if step.due is not None else "not due"
                lines.append((step.answered_at, f"its user is told of {step.what}: {step.refused or due}"))
        for rang in rings:
            if rang.schedule_id == offence.schedule_id and (rang.schedule_id or rang.began_at == offence.at):
                lines.append((rang.began_at, f"{rang.device} is heard ringing for {rang.occurrence_id or 'nothing'}"))
                if rang.ended_at is not None:
                    lines.append((rang.ended_at, "is silent"))
        lines.append((offence.at, f"<- {offence.what}"))
        ended = max(at for at, _ in lines)
        for fault in faults:
            if fault.began_at <= ended and fault.recovered_at >= began - _AROUND_S:
                lines.append((fault.began_at, f"! {fault.kind} {fault.target}"))
                lines.append((fault.recovered_at, f"! recovered from {fault.kind} {fault.target}"))
        told = [f"timer {offence.schedule_id or '?'} of {timer.device if timer else '?'}: {offence.what}"]
        told += [f"{at - began:+8.3f} s  {text}" for at, text in sorted(lines, key=lambda line: line[0])]
        return "\n".join(told)

    async def _hear(self, message: Msg) -> None:
        try:
            schedule_id, said = _read(message.subject, message.data)
        except DecodeError:
            return
        if schedule_id:
            text = text_format.MessageToString(said, as_one_line=True, as_utf8=True)
            subject = message.subject.replace(schedule_id, "…")
            self._passed.setdefault(schedule_id, []).append(
                (time.monotonic(), f"  {subject} {text.replace(schedule_id, '…')[:_LONGEST]}")
            )
            while len(self._passed) > _KEPT:
                self._passed.popitem(last=False)


def _read(subject: str, data: bytes) -> tuple[str, Any]:
    """Return which schedule a message is about, and what it says."""
    if subject.startswith(_BUCKET):
        record = record_pb2.ScheduleRecord.FromString(data)
        record.ClearField("requests")
        for known in ("schedule_id", "household_id", "device_id", "time_zone", "locale", "length"):
            record.schedule.ClearField(known)
        return subject.rsplit(".", 1)[-1], record
    if subject.startswith("schedule.arm."):
        occurrence = schedule_pb2.OccurrenceDue.FromString(data)
        return occurrence.schedule_id, occurrence
    if subject.endswith(".up.ring"):
        event = upstream_pb2.DeviceEvent.FromString(data)
        return event.ring_dismissed.occurrence_id.split(".")[0], event
    directive = directive_pb2.Directive.FromString(data)
    return (directive.ring.occurrence_id or directive.stop_ring.occurrence_id).split(".")[0], directive
