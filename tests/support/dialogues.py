"""A dialogue service in the test's own process, on a real bus, with a fake NLU before it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import turn_pb2
from earshot.dialogue.v1 import outcome_pb2, session_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot.skill.v1 import skill_pb2
from earshot_chassis.bus import Bus, Delivery
from earshot_chassis.ids import uuid7
from earshot_chassis.settings import ServiceSettings
from earshot_dialogue.composition import Dialogue
from earshot_dialogue.settings import DialogueSettings
from earshot_registry import RegisteredSkill, RegistrySnapshot
from earshot_topology.streams import NLU_TRANSCRIBED
from earshot_topology.subjects import TURN_INTERPRETED, DeviceAddress
from support.fake_skill import FakeSkill
from support.nats import NatsServer


def hypothesis(intent: str, confidence: float = 1.0, **slots: str) -> interpreter_pb2.Hypothesis:
    """Return a meaning with text slots."""
    return interpreter_pb2.Hypothesis(
        intent=intent,
        confidence=confidence,
        recognizer="template",
        slots=[
            interpreter_pb2.Slot(name=name, text=text, value=interpreter_pb2.SlotValue(string_value=text))
            for name, text in slots.items()
        ],
    )


def snapshot(*skills: FakeSkill, weights: dict[str, int] | None = None, revision: int = 1) -> RegistrySnapshot:
    """Return the snapshot of a registry in which these replicas are live."""
    described: dict[tuple[str, str], list[FakeSkill]] = {}
    for skill in skills:
        described.setdefault((skill.description.skill_id, skill.description.version), []).append(skill)
    return RegistrySnapshot(
        revision=revision,
        skills=tuple(
            RegisteredSkill(
                description=replicas[0].description,
                endpoints=tuple(
                    skill_pb2.SkillEndpoint(
                        skill_id=name,
                        version=version,
                        instance_id=str(index),
                        target=replica.target,
                        weight=(weights or {}).get(version, 1),
                    )
                    for index, replica in enumerate(replicas)
                ),
            )
            for (name, version), replicas in sorted(described.items())
        ),
    )


@dataclass(slots=True)
class Replica:
    """A dialogue and the bus under it, and what a test looks at around it."""

    bus: Bus
    dialogue: Dialogue
    meanings: dict[str, interpreter_pb2.TurnInterpreted] = field(default_factory=dict)

    async def follow(self, *skills: FakeSkill, weights: dict[str, int] | None = None) -> None:
        """Let these replicas of skills be live."""
        await self.dialogue.follow(snapshot(*skills, weights=weights))

    def means(self, text: str, *hypotheses: interpreter_pb2.Hypothesis, **fields: object) -> None:
        """Teach the fake NLU."""
        self.meanings[text] = interpreter_pb2.TurnInterpreted(hypotheses=hypotheses, transcript=text, **fields)

    async def listen(self, subject: str) -> list[Msg]:
        """Collect what passes by on a core subject."""
        heard: list[Msg] = []

        async def hear(message: Msg) -> None:
            heard.append(message)

        await self.bus.client.subscribe(subject, cb=hear)
        await self.bus.client.flush()
        return heard

    async def _interpret(self, event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        text = event.alternatives[0].transcript if event.alternatives else ""
        meaning = interpreter_pb2.TurnInterpreted(transcript=text, rejection=event.rejection)
        if text in self.meanings:
            meaning.CopyFrom(self.meanings[text])
        meaning.turn.CopyFrom(event.turn)
        await self.bus.publish(TURN_INTERPRETED, meaning)


@dataclass(slots=True)
class Place:
    """One device of a test, as it is seen on the bus of a replica."""

    replica: Replica
    address: DeviceAddress = field(default_factory=lambda: DeviceAddress("h1", f"d-{uuid7()}"))

    def turn(
        self, turn_id: str = "", *, locale: str = "en-US", deadline_s: float = 8.0, **fields: object
    ) -> turn_pb2.TurnContext:
        """Return a spoken turn of this device."""
        turn = turn_pb2.TurnContext(
            turn_id=turn_id or uuid7(),
            household_id=self.address.household,
            device_id=self.address.device,
            locale=locale,
            modality=turn_pb2.MODALITY_VOICE,
            lane="stable",
        )
        turn.MergeFrom(turn_pb2.TurnContext(**fields))
        turn.deadline_time.FromNanoseconds(time.time_ns() + int(deadline_s * 1e9))
        return turn

    async def publish(
        self,
        turn: turn_pb2.TurnContext,
        *hypotheses: interpreter_pb2.Hypothesis,
        transcript: str = "words",
        **fields: object,
    ) -> None:
        """Publish what NLU would say of a turn."""
        event = interpreter_pb2.TurnInterpreted(turn=turn, hypotheses=hypotheses, transcript=transcript, **fields)
        await self.replica.bus.publish(TURN_INTERPRETED, event)

    async def says(
        self, transcript: str, *hypotheses: interpreter_pb2.Hypothesis, locale: str = "en-US", **fields: object
    ) -> outcome_pb2.Outcome:
        """Take one turn; return its last segment when the session was written (or needs no writing)."""
        turn = self.turn(locale=locale)
        await self.publish(turn, *hypotheses, transcript=transcript, **fields)
        outcome = (await self.outcome(turn.turn_id))[-1]
        if outcome.kind != outcome_pb2.OUTCOME_KIND_REJECTED:
            await self.settled(turn.turn_id)
        return outcome

    async def outcome(self, turn_id: str, timeout_s: float = 10.0) -> list[outcome_pb2.Outcome]:
        """Wait for a turn's final segment on the stream; return all segments."""
        async with asyncio.timeout(timeout_s):
            while True:
                segments = await self.segments(turn_id)
                if segments and segments[-1].final:
                    return segments
                await asyncio.sleep(0.01)

    async def segments(self, turn_id: str) -> list[outcome_pb2.Outcome]:
        """Return what stands on a turn's outcome subject, in the stream's order."""
        found: list[outcome_pb2.Outcome] = []
        sequence = 1
        with contextlib.suppress(NotFoundError):
            while True:
                message = await self.replica.bus.jetstream.get_msg(
                    "OUTCOMES", seq=sequence, subject=self.address.turn_outcome(turn_id), next=True
                )
                found.append(outcome_pb2.Outcome.FromString(message.data or b""))
                sequence = (message.seq or 0) + 1
        return found

    async def session(self) -> session_pb2.Session | None:
        """Return the device's session as stored."""
        subject = f"$KV.SESSIONS.{self.address.household}.{self.address.device}"
        try:
            message = await self.replica.bus.jetstream.get_msg("KV_SESSIONS", subject=subject)
        except NotFoundError:
            return None
        return session_pb2.Session.FromString(message.data or b"")

    async def settled(self, turn_id: str, timeout_s: float = 5.0) -> session_pb2.Session:
        """Wait until the session holds a turn; return it."""
        async with asyncio.timeout(timeout_s):
            while (session := await self.session()) is None or session.last_turn_id != turn_id:
                await asyncio.sleep(0.005)
        return session


@contextlib.asynccontextmanager
async def dialogue_on(
    server: NatsServer, *, nlu: bool = False, live: Sequence[FakeSkill] = (), **settings: object
) -> AsyncIterator[Replica]:
    """Run a replica; with nlu, transcribed turns are interpreted by the table that `means` fills.

    Skills that are live are known before the first turn is taken.
    """
    bus = Bus("dialogue", ServiceSettings(nats_url=server.url))
    await bus.connect()
    defaults: dict[str, object] = {"turns": 8, "events": 4}
    dialogue = Dialogue(bus, DialogueSettings(**(defaults | settings)))
    replica = Replica(bus, dialogue)
    await dialogue.start()
    if live:
        await replica.follow(*live)
    if nlu:
        bus.handler(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, replica._interpret, concurrency=4)
    await bus.start()
    try:
        yield replica
    finally:
        await bus.stop_consuming(5.0)
        await dialogue.stop()
        await bus.close()
