"""One turn in a world where everything can happen: the real code that decides it, on a ledger that can lose its answers.

Whoever writes outcomes (dialogue's first delivery, its redeliveries, the deadline's reader, a device's decision, a "stop",
asr's refusal, an announcement, their frozen selves that wake) is a coroutine that stops before each operation on the
ledger. Never would all of them meet in one turn; what holds when they do holds when fewer do. The machine chooses who goes
on, and how:

    goes through      stored or refused as JetStream would, and the writer is told
    lost answer       stored or refused, and the writer is told that nobody answered
    not there         nothing is stored, and the writer is told that nobody answered
    dies              the writer never goes on; its message is delivered again to another

The ledger keeps JetStream's promise and no other: a message is stored if the last one of its subject is the expected one.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, cast

from earshot.common.v1 import turn_pb2
from earshot.device.v1 import upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_asr.errors import QuotaExceededError
from earshot_asr.handlers import _Turn
from earshot_asr.utterance import Epoch
from earshot_chassis.consuming import Delivery
from earshot_chassis.errors import ConflictError, RetryableError
from earshot_device.bus import wire as device_wire
from earshot_device.core.ids import OutcomeId, TurnId
from earshot_device.core.outcome import OutcomeKind, SpeechFrame
from earshot_device.core.recognition import Endpoint, EndpointReason, Final, RecognitionUpdate
from earshot_device.core.speech_buffer import Added, SpeechBuffer
from earshot_device.core.turn import Turn, Verdict
from earshot_dialogue.allowance import Allowance
from earshot_dialogue.announcements import Announcements
from earshot_dialogue.claims.breaking import break_off
from earshot_dialogue.claims.chain import OutcomeChain, UnfinishedAnswerError
from earshot_dialogue.claims.decided import DecidedTurns
from earshot_dialogue.claims.ledger import OutcomeLedger, Recorded
from earshot_dialogue.core.outcome import Kind, Segment, apology, broken_off
from earshot_dialogue.core.values import Fault, Prompt
from earshot_dialogue.deadlines import DeadlineReader
from earshot_dialogue.deviceevents import DeviceEvents
from earshot_dialogue.languages import Languages
from earshot_topology.subjects import DeviceAddress

LANGUAGES = Languages.load()
TURN = "turn-1"
ADDRESS = DeviceAddress("h", "d")
SUBJECT = ADDRESS.turn_outcome(TURN)
LISTEN_S, ANSWER_S = 20.0, 8.0
SEGMENTS = 3
FRAMES_A_SEGMENT = 4
MOST_WRITERS = 6


class How(StrEnum):
    """How an operation on the ledger goes."""

    THROUGH = "goes through"
    LOST = "lost answer"
    ABSENT = "not there"


class Operation:
    """One operation that a writer waits for."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def __await__(self) -> Generator[Operation, Any, Any]:
        return (yield self)

    def perform(self, how: How) -> Any:
        """Do it.

        Raises:
            RetryableError: Nobody answered, whether or not it was done.
            ConflictError: It was refused.
        """
        if how is How.ABSENT:
            raise RetryableError("nobody answered", code="bus_unavailable")
        try:
            result = self._run()
        except ConflictError:
            if how is How.LOST:
                raise RetryableError("nobody answered", code="bus_unavailable") from None
            raise
        if how is How.LOST:
            raise RetryableError("nobody answered", code="bus_unavailable")
        return result


class Ledger:
    """The OUTCOMES stream, in memory."""

    def __init__(self) -> None:
        self.stored: list[Recorded] = []

    def store(self, outcome: outcome_pb2.Outcome, expected: int | None) -> int:
        """Keep a segment behind the one that is expected; None: behind any.

        Raises:
            ConflictError: Another one stands there.
        """
        if expected is not None and expected != (self.stored[-1].sequence if self.stored else 0):
            raise ConflictError("another segment stands there")
        copy = outcome_pb2.Outcome.FromString(outcome.SerializeToString(deterministic=True))
        self.stored.append(Recorded(outcome=copy, sequence=10 * (len(self.stored) + 1)))
        return self.stored[-1].sequence


class Who(StrEnum):
    """Kinds of writers."""

    DIALOGUE = "dialogue"
    DEADLINE = "deadline"
    DEVICE = "the device's decision"
    STOP = "a stop"
    QUOTA = "asr's refusal"
    ANNOUNCEMENT = "an announcement"


class Access:
    """The ledger as one kind of writer reaches it: with the interfaces of OutcomeLedger and of Bus."""

    unfenced: ClassVar[frozenset[Who]] = frozenset()
    """Whose claims the ledger stores wherever they come: for tests of the machine itself."""

    def __init__(self, ledger: Ledger, who: Who) -> None:
        self._ledger = ledger
        self._who = who

    async def claim(self, _subject: str, outcome: outcome_pb2.Outcome) -> int:
        """See OutcomeLedger."""
        return await self._store(outcome, outcome.expected_sequence)

    async def last(self, _subject: str) -> Recorded | None:
        """See OutcomeLedger."""
        stored = self._ledger.stored
        return cast("Recorded | None", await Operation(lambda: stored[-1] if stored else None))

    async def last_of(self, _address: DeviceAddress) -> outcome_pb2.Outcome | None:
        """See OutcomeLedger."""
        last = await self.last(SUBJECT)
        return last.outcome if last is not None else None

    async def standing(self, _subject: str) -> tuple[Recorded, ...]:
        """See OutcomeLedger."""
        return cast("tuple[Recorded, ...]", await Operation(lambda: tuple(self._ledger.stored)))

    async def publish(
        self, _subject: str, outcome: outcome_pb2.Outcome, *, expected_last_subject_sequence: int | None = None
    ) -> int:
        """See Bus."""
        return await self._store(outcome, expected_last_subject_sequence)

    async def send(self, _subject: str, _message: object) -> None:
        """See Bus; lost."""

    async def _store(self, outcome: outcome_pb2.Outcome, expected: int | None) -> int:
        copy = outcome_pb2.Outcome.FromString(outcome.SerializeToString(deterministic=True))
        wanted = None if self._who in self.unfenced else expected
        return cast("int", await Operation(lambda: self._ledger.store(copy, wanted)))


@dataclass(slots=True)
class Writer:
    """Somebody who is about to write an outcome.

    Attributes:
        name: Who, and which delivery.
        work: The coroutine; waits for `waiting`.
        waiting: Its next operation; None when it has ended.
        failed: Whether its message comes again.
    """

    name: str
    work: Coroutine[Any, Any, None]
    waiting: Operation | None = None
    failed: bool = False

    def start(self) -> Writer:
        """Run to the first operation."""
        self._advance(lambda: self.work.send(None))
        return self

    def go_on(self, how: How) -> None:
        """Let the operation be done, and run to the next one."""
        assert self.waiting is not None
        try:
            result = self.waiting.perform(how)
        except (ConflictError, RetryableError) as error:
            thrown = error
            self._advance(lambda: self.work.throw(thrown))
        else:
            self._advance(lambda: self.work.send(result))

    def die(self) -> None:
        """Never go on."""
        self.work.close()
        self.waiting, self.failed = None, True

    def _advance(self, step: Any) -> None:
        try:
            self.waiting = step()
        except StopIteration:
            self.waiting = None
        except RetryableError:
            self.waiting, self.failed = None, True


def context() -> turn_pb2.TurnContext:
    """Return the turn as its events tell it."""
    return turn_pb2.TurnContext(
        turn_id=TURN, household_id="h", device_id="d", locale="en-US", modality=turn_pb2.MODALITY_VOICE
    )


async def answering(ledger: Ledger, segments: int, fails_after: int | None) -> None:
    """Claim an answer as fulfilment does: segment by segment; a skill that fails ends it with an apology."""
    access = cast("OutcomeLedger", Access(ledger, Who.DIALOGUE))
    chain = OutcomeChain(access, SUBJECT, context(), session_revision=1)
    for index in range(segments):
        if index == fails_after:
            fault = Fault(code="skill_unavailable", message="gone")
            language = LANGUAGES.fallback
            try:
                await chain.append(broken_off(fault, language) if chain.began else apology(fault, language))
            except UnfinishedAnswerError:
                await chain.append(broken_off(fault, language))
            return
        words = (Prompt(text=f"Part {index}.", locale="en-US", key="k"),)
        claimed = await chain.append(Segment(kind=Kind.ANSWERED, prompts=words, final=index == segments - 1))
        if not claimed.ours:
            return


async def expiring(ledger: Ledger, number: int) -> None:
    """Read the turn's deadline: the service's own handler."""
    access = cast("OutcomeLedger", Access(ledger, Who.DEADLINE))
    reader = DeadlineReader(access, LANGUAGES, DecidedTurns())
    event = outcome_pb2.TurnDeadline(turn=context(), waiting_for="answer")
    if await reader.obsolete(event):
        return
    await reader.due(event, _delivery("turn.deadline.due", number))


def _delivery(subject: str, number: int) -> Delivery:
    return Delivery(
        subject=subject,
        headers={},
        num_delivered=number,
        stream_sequence=1,
        timestamp=datetime.now(UTC) - timedelta(seconds=1),
    )


async def giving_up(ledger: Ledger, number: int) -> None:
    """Read that the device closed the turn: dialogue's own handler."""
    access: Any = Access(ledger, Who.DEVICE)
    event = upstream_pb2.DeviceEvent(
        turn_id=TURN, turn_abandoned=upstream_pb2.TurnAbandoned(reason="cloud_timeout", apology_played=True)
    )
    await DeviceEvents(access, access, cast("Any", None)).happened(event, _delivery(ADDRESS.event(), number))


async def stopping(ledger: Ledger, _number: int) -> None:
    """Break the device's last answer off: the user said stop in another turn."""
    access = cast("OutcomeLedger", Access(ledger, Who.STOP))
    await break_off(access, ADDRESS, Fault(code="stopped_by_user", message="the user said stop"))


async def refusing(ledger: Ledger, number: int) -> None:
    """End the turn in silence, as asr does far beyond a quota: its own code."""
    turn = _Turn(
        address=ADDRESS,
        context=context(),
        epoch=Epoch(number),
        deadline=timedelta(seconds=8),
        bus=cast("Any", Access(ledger, Who.QUOTA)),
        root={},
    )
    await turn.reject(QuotaExceededError("far beyond"))


async def announcing(ledger: Ledger, _number: int) -> None:
    """Have words spoken as the turn's outcome: dialogue's own handler."""
    access = cast("OutcomeLedger", Access(ledger, Who.ANNOUNCEMENT))
    request = upstream_pb2.AnnouncementRequest(turn_id=TURN, text="Eggs.", locale="en-US")
    await Announcements(access, LANGUAGES, Allowance(0)).announce(request, ADDRESS.announce())


OTHERS = {Who.DEVICE: giving_up, Who.STOP: stopping, Who.QUOTA: refusing, Who.ANNOUNCEMENT: announcing}
"""Writers that neither answer nor apologise."""


@dataclass(slots=True)
class Listening:
    """The device: what it decides, and what leaves its loudspeaker.

    Attributes:
        heard: Every frame that was played: (outcome id, sequence, epoch).
        apologised: Whether its own apology was played.
    """

    now: float = 100.0
    turn: Turn = field(init=False)
    buffer: SpeechBuffer | None = None
    heard: list[tuple[OutcomeId, int, int]] = field(default_factory=list)
    played_epochs: list[int] = field(default_factory=list)
    apologised: bool = False

    def __post_init__(self) -> None:
        self.turn = Turn(TurnId(TURN), now=self.now, listen_limit_s=LISTEN_S, answer_limit_s=ANSWER_S)

    def told(self, recorded: Recorded) -> Verdict:
        """Take a segment as it comes over the bus."""
        segment = device_wire.outcome(recorded.outcome.SerializeToString())
        verdict = self.turn.decide(segment)
        if verdict is Verdict.ACCEPTED and self.buffer is None:
            self.buffer = SpeechBuffer(segment.outcome_id)
        return verdict

    def recognised(self, epoch: int, *, final: bool) -> Verdict:
        """Take an update of a recogniser."""
        update = (
            Final(transcript=f"words of {epoch}", confidence=1.0)
            if final
            else Endpoint(end_of_speech_s=1.0, reason=EndpointReason.SILENCE)
        )
        return self.turn.hear(RecognitionUpdate(turn_id=TurnId(TURN), owner_epoch=epoch, update=update), self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass; a turn that has waited too long is given up, with the device's own words."""
        self.now += seconds
        if self.turn.expired(self.now) and self.turn.close():
            self.apologised = True

    def frame(self, frame: SpeechFrame) -> Added | None:
        """Take a frame of speech; None: there is no outcome yet that it could belong to."""
        return self.buffer.add(frame) if self.buffer is not None else None

    def play(self) -> None:
        """Play what is next, if it is there."""
        if self.buffer is not None and self.buffer.peek() is not None and not self.apologised:
            frame = self.buffer.take()
            self.heard.append((frame.outcome_id, frame.sequence, frame.owner_epoch))

    @property
    def answered(self) -> bool:
        """Whether the turn is bound to an outcome that is heard."""
        return any(segment.kind in {OutcomeKind.ANSWERED, OutcomeKind.APOLOGISED} for segment in self.turn.segments)
