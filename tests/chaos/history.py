"""What passed by on the bus, by turn: for people who ask why a turn ended as it did. The checker does not look at it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import nats
from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message
from nats.aio.client import Client
from nats.aio.msg import Msg

from chaos.records import Inflicted, Turn
from earshot.asr.v1 import events_pb2
from earshot.common.v1 import error_pb2
from earshot.device.v1 import downstream_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot.nlu.v1 import interpreter_pb2

_KEPT_TURNS: Final = 2_000
_LONGEST: Final = 400
# By a part of the subject; the first that is found. What repeats what another says is left out.
_TYPES: Final[dict[str, type[Message]]] = {
    "turn.transcribed": events_pb2.TurnTranscribed,
    "turn.interpreted": interpreter_pb2.TurnInterpreted,
    "turn.outcome.": outcome_pb2.Outcome,
    "turn.deadline.": outcome_pb2.TurnDeadline,
    ".up.started.": upstream_pb2.UtteranceStarted,
    ".up.event": upstream_pb2.DeviceEvent,
    ".down.recognition": downstream_pb2.RecognitionUpdate,
    ".down.outcome.": outcome_pb2.Outcome,
    ".down.speech.": downstream_pb2.SpeechFrame,
    "parked.": error_pb2.ParkedMessage,
}
SUBJECTS: Final = (
    "turn.>",
    "parked.>",
    "device.*.*.up.started.>",
    "device.*.*.up.event",
    "device.*.*.down.recognition",
    "device.*.*.down.outcome.*",
    "device.*.*.down.speech.*",
)


@dataclass(slots=True)
class Run:
    """Speech frames that one owner sent, one after the other."""

    at: float
    owner_epoch: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"speech frames {self.first} to {self.last}, epoch {self.owner_epoch}"


@dataclass(slots=True)
class Passed:
    """One message."""

    at: float
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class History:
    """Listens to a bus, as its administrator."""

    client: Client
    turns: OrderedDict[str, list[Passed | Run]] = field(default_factory=OrderedDict)
    starts: list[tuple[float, str, str]] = field(default_factory=list)
    parked: list[Passed] = field(default_factory=list)

    @classmethod
    async def of(cls, url: str, credentials: str) -> History:
        """Begin to listen."""
        client = await nats.connect(
            url.split(","),
            user_credentials=credentials,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            error_cb=_ignore,
        )
        history = cls(client)
        for subject in SUBJECTS:
            await client.subscribe(subject, cb=history._hear)
        await client.flush()
        return history

    async def close(self) -> None:
        """Listen no more."""
        await self.client.close()

    def told(self, turn: Turn, faults: Iterable[Inflicted]) -> str:
        """Return what happened around a turn, line by line; times count from when its user began to speak."""
        ended = turn.ended_at if turn.ended_at is not None else turn.began_at + 60
        lines: list[tuple[float, str]] = [(turn.began_at, f"{turn.device} says {turn.said!r}")]
        if turn.spoken_at:
            lines.append((turn.spoken_at, "has said it"))
        if turn.sounded_at:
            lines.append((turn.sounded_at, "hears the first sound"))
        lines.append((ended, f"ends: {turn.note}"))
        turn_id = turn.turn_id or self._turn_id_of(turn)
        lines += [(passed.at, f"  {passed}") for passed in self.turns.get(turn_id, [])]
        lines += [(parked.at, f"  {parked}") for parked in self.parked if turn.began_at <= parked.at <= ended]
        for fault in faults:
            if fault.began_at <= ended and fault.recovered_at >= turn.began_at - 10:
                lines.append((fault.began_at, f"! {fault.kind} {fault.target}"))
                lines.append((fault.recovered_at, f"! recovered from {fault.kind} {fault.target}"))
        heard = ", ".join(map(str, turn.sounds)) or "nothing"
        told = [f"turn {turn_id or '?'} of {turn.device}; heard: {heard[:600]}"]
        told += [f"{at - turn.began_at:+8.3f} s  {text}" for at, text in sorted(lines, key=lambda line: line[0])]
        return "\n".join(told)

    async def _hear(self, message: Msg) -> None:
        now = time.monotonic()
        for part, kind in _TYPES.items():
            if part in message.subject:
                try:
                    self._note(now, message.subject, kind.FromString(message.data))
                except DecodeError:
                    return
                return

    def _turn_id_of(self, turn: Turn) -> str:
        """Find the turn that a device began when it began this one: it may never have ended it."""
        begun = [turn_id for at, device, turn_id in self.starts if device == turn.device and at >= turn.began_at]
        return begun[0] if begun else ""

    def _note(self, now: float, subject: str, message: Any) -> None:
        if isinstance(message, error_pb2.ParkedMessage):
            self.parked.append(
                Passed(now, f"{subject} {message.subject} {message.error.code}: {message.error.message}")
            )
            return
        turn_id = getattr(message, "turn_id", "") or (message.turn.turn_id if hasattr(message, "turn") else "")
        if not turn_id:
            return
        if isinstance(message, upstream_pb2.UtteranceStarted):
            self.starts.append((now, subject.split(".")[2], turn_id))
        passed = self.turns.get(turn_id)
        if passed is None:
            passed = self.turns[turn_id] = []
            while len(self.turns) > _KEPT_TURNS:
                self.turns.popitem(last=False)
        if isinstance(message, downstream_pb2.SpeechFrame):
            last = passed[-1] if passed else None
            if isinstance(last, Run) and last.owner_epoch == message.owner_epoch and last.last + 1 == message.sequence:
                last.last = message.sequence
            else:
                passed.append(Run(now, message.owner_epoch, message.sequence, message.sequence))
            return
        text = text_format.MessageToString(message, as_one_line=True, as_utf8=True)
        passed.append(Passed(now, f"{subject} {text[:_LONGEST]}"))


async def _ignore(_error: Exception) -> None:
    pass
