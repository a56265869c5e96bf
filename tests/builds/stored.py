"""What is stored while services are replaced, and what of it a newer build has filled in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

import nats
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg

from builds.unknown import added_by, all_added
from earshot.device.v1 import directive_pb2, downstream_pb2
from earshot.dialogue.v1 import outcome_pb2, session_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot.schedule.v1 import record_pb2
from earshot_chassis.parking import PREFIX
from earshot_local.stack import Stack

# By a part of the subject; the first that is found.
_KINDS: Final[dict[str, type[Message]]] = {
    "turn.interpreted": interpreter_pb2.TurnInterpreted,
    "turn.outcome.": outcome_pb2.Outcome,
    "$KV.SESSIONS.": session_pb2.Session,
    "$KV.SCHEDULES.": record_pb2.ScheduleRecord,
    ".down.speech.": downstream_pb2.SpeechFrame,
    ".down.directive": directive_pb2.Directive,
}
_SUBJECTS: Final = (
    "turn.interpreted",
    "turn.outcome.>",
    "$KV.SESSIONS.>",
    "$KV.SCHEDULES.>",
    "parked.>",
    "device.*.*.down.speech.*",
    "device.*.*.down.directive",
)


@dataclass(slots=True)
class Stored:
    """Listens to what is stored, as the bus's administrator.

    Attributes:
        added: Where something was filled in, "Outcome.prompts", and by which processes.
        lost: Keys whose value no longer has what was filled in before.
        parked: Messages that were given up.
    """

    client: Client
    added: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    lost: list[str] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)
    _filled: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    async def of(cls, stack: Stack) -> Stored:
        """Begin to listen."""
        stored = cls(await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin"))))
        for subject in _SUBJECTS:
            await stored.client.subscribe(subject, cb=stored._hear)
        await stored.client.flush()
        return stored

    async def close(self) -> None:
        """Listen no more."""
        await self.client.close()

    async def _hear(self, message: Msg) -> None:
        if message.subject.startswith("parked."):
            headers = message.headers or {}
            self.parked.append(f"{headers[f'{PREFIX}Subject']}: {headers[f'{PREFIX}Code']}")
            return
        kind = next(kind for part, kind in _KINDS.items() if part in message.subject)
        if not message.data:
            return
        read = kind.FromString(message.data)
        for place, by in all_added(read):
            self.added[place].add(by)
        if isinstance(read, session_pb2.Session | record_pb2.ScheduleRecord):
            self._compare(message.subject, read)

    def _compare(self, subject: str, read: session_pb2.Session | record_pb2.ScheduleRecord) -> None:
        """Compare a value with the one before, of the same session or schedule."""
        of = read.session_id if isinstance(read, session_pb2.Session) else read.schedule.schedule_id
        by = added_by(read)
        if self._filled.get((subject, of)) and not by:
            self.lost.append(f"{subject} {of}: what {self._filled[subject, of]} had added")
        if by:
            self._filled[subject, of] = by
