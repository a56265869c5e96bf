"""The frames of one utterance from the bus: live, from the capture, in order.

    subscribe ──► one batched read of the capture ──► merge by sequence ──► next() … next()
                       ▲
                       └── again while frames are missing (`upload`)

SUB and the read's request go out on one connection, in this order, so that the server has the interest before it reads:
what it stores later also comes live. A frame that was on its way into the capture at that moment is in neither, and on a
cluster interest may take longer to spread. Frames of one device come in order, so a later one shows the gap at once: the
capture is asked again a moment after, and then as `upload` says.

What happens to a frame happens in the connection's read loop: parse, put in order, wake the recogniser if it waits. One
timer for all utterances of a worker looks at how uploads are doing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from earshot_asr.assembly import Assembler, Frame
from earshot_asr.capture import Capture
from earshot_asr.limits import DEFAULT_LIMITS, Limits
from earshot_asr.source import Ending
from earshot_asr.upload import UploadAction, UploadMonitor, UploadRules
from earshot_asr.utterance import TurnId
from earshot_chassis import telemetry
from earshot_chassis.sink import Sink

LOOK_S: Final = 0.1
# Longer than the server takes to store a frame, shorter than anybody notices.
_GAP_S: Final = 0.02
# Each makes the server walk through what was stored since: when many uploads stall at once, that must not be the cause.
_REPAIRS_AT_ONCE: Final = 4
_log = telemetry.logger("receiving")
_REPAIRS = telemetry.counter("earshot.asr.repairs", "Reads of the capture for frames that were missing.")
_CONCEALED = telemetry.counter("earshot.asr.concealed_frames", "Frames that were given up and heard as silence.")

Acknowledge = Callable[[int], Awaitable[None]]


class ReadFrame(Protocol):
    """Reads a frame from its bytes: turn, sequence, payload, whether it is the last."""

    def __call__(self, data: bytes, /) -> tuple[str, int, bytes, bool]:
        """Read it.

        Raises:
            ValueError: It is none.
        """
        ...


class Receiver:
    """The frames of one utterance; what the recogniser takes them from."""

    def __init__(
        self,
        turn_id: TurnId,
        subject: str,
        *,
        read_frame: ReadFrame,
        rules: UploadRules,
        limits: Limits,
        now: float,
        gap: Callable[[Receiver], None],
    ) -> None:
        self.subject = subject
        self._gap = gap
        self._gap_at = -1
        self.assembler = Assembler(limits)
        self.malformed = 0
        self.backfilled = 0
        self._turn_id = turn_id
        self._read_frame = read_frame
        self._monitor = UploadMonitor(rules, now)
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> list[Frame] | Ending:
        """Return the frames that have come since the last call, in order, or why none will come any more."""
        assembler = self.assembler
        if assembler.is_too_large:
            return Ending.TOO_LARGE
        while not assembler.is_ready:
            if assembler.is_complete:
                return Ending.DEVICE
            if self._lost:
                return Ending.LOST
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return assembler.take() or Ending.TOO_LARGE

    def on_message(self, message: Msg) -> None:
        """Take a live frame."""
        self.on_frame(message.data)

    def on_frame(self, data: bytes) -> None:
        """Take a frame, wherever it came from; what is no frame of this utterance is counted and dropped."""
        try:
            turn_id, sequence, payload, last = self._read_frame(data)
        except ValueError:
            self.malformed += 1
            return
        if turn_id != self._turn_id:
            self.malformed += 1
            return
        if self.assembler.add(sequence, payload, last=last):
            self._wake()
        elif self.assembler.has_gap and self._gap_at != self.assembler.next_sequence:
            self._gap_at = self.assembler.next_sequence
            self._gap(self)

    def look(self, now: float) -> tuple[UploadAction | None, int | None]:
        """Return what is due and what to acknowledge; gaps that are given up and lost audio are seen to here."""
        assembler = self.assembler
        action = self._monitor.check(now, assembler.next_sequence, has_gap=assembler.has_gap)
        if action is UploadAction.GIVE_UP_GAP:
            _CONCEALED.add(assembler.give_up_gap())
            self._wake()
        elif action is UploadAction.LOST:
            self._lost = True
            self._wake()
        return action, self._monitor.acknowledgement(now, assembler.next_sequence)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Receivers:
    """All utterances that a worker listens to."""

    def __init__(
        self,
        client: Client,
        capture: Capture,
        read_frame: ReadFrame,
        *,
        rules: UploadRules | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._client = client
        self._capture = capture
        self._read_frame = read_frame
        self._rules = rules or UploadRules()
        self._limits = limits
        self._open: dict[Receiver, tuple[Subscription, Acknowledge]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._repairs = asyncio.Semaphore(_REPAIRS_AT_ONCE)

    async def open(self, turn_id: TurnId, subject: str, acknowledge: Acknowledge) -> Receiver:
        """Listen to an utterance, and read what the capture has of it.

        Args:
            turn_id: The utterance; frames of others are dropped.
            subject: Where its frames are published.
            acknowledge: Told the first missing sequence now and then.

        Raises:
            nats.errors.Error: The connection is gone.
        """
        loop = asyncio.get_running_loop()
        receiver = Receiver(
            turn_id,
            subject,
            read_frame=self._read_frame,
            rules=self._rules,
            limits=self._limits,
            now=loop.time(),
            gap=self._gap,
        )
        subscription = await self._client.subscribe(subject, future=Sink(receiver.on_message))
        self._open[receiver] = (subscription, acknowledge)
        if self._timer is None:
            self._timer = loop.call_later(LOOK_S, self._look)
        await self._backfill(receiver)
        return receiver

    async def close(self, receiver: Receiver) -> None:
        """Listen no more."""
        subscription, _ = self._open.pop(receiver)
        if receiver.malformed or receiver.assembler.refused:
            _log.warning("frames_dropped", malformed=receiver.malformed, refused=receiver.assembler.refused)
        try:
            await subscription.unsubscribe()
        except NatsError as error:
            _log.info("unsubscribe_failed", error=type(error).__name__)

    async def _backfill(self, receiver: Receiver) -> None:
        before = receiver.assembler.next_sequence
        await self._capture.read(receiver.subject, receiver.on_frame)
        receiver.backfilled += receiver.assembler.next_sequence - before

    async def _repair(self, receiver: Receiver) -> None:
        async with self._repairs:
            # Nobody may want it any more since others were repaired first.
            if receiver in self._open:
                await self._backfill(receiver)

    def _gap(self, receiver: Receiver) -> None:
        missing = receiver.assembler.next_sequence

        def ask() -> None:
            if receiver in self._open and receiver.assembler.next_sequence == missing:
                _REPAIRS.add(1)
                self._spawn(self._repair(receiver))

        asyncio.get_running_loop().call_later(_GAP_S, ask)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = loop.call_later(LOOK_S, self._look) if self._open else None
        acknowledgements = []
        for receiver, (_, acknowledge) in self._open.items():
            action, sequence = receiver.look(now)
            if action is UploadAction.REPAIR:
                _REPAIRS.add(1)
                self._spawn(self._repair(receiver))
            if sequence is not None:
                acknowledgements.append((acknowledge, sequence))
        if acknowledgements:
            self._spawn(_acknowledge(acknowledgements))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("upload_watch_failed", error=type(error).__name__)


async def _acknowledge(due: Sequence[tuple[Acknowledge, int]]) -> None:
    for acknowledge, sequence in due:
        await acknowledge(sequence)
