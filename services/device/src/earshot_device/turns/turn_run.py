"""Running one turn: utterance up, recognition and outcome down, answer to the loudspeaker.

    run ─┬─ announce       UtteranceStarted until a stream has it
         ├─ upload         frames until the endpoint
         ├─ watch          asks about what may have been lost while nothing comes
         ├─ await outcome  or the device's own deadline, and then its own apology
         └─ perform        speech and directives in their order (see `performance`)

What comes from the network is handed in by `recognised`, `decided`, `spoken` and `refused`; they only change state and
wake what waits. An interruption ends whatever the turn is doing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from opentelemetry.context import Context

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError
from earshot_device.bus.upload import Upload
from earshot_device.core.capture import CaptureRing
from earshot_device.core.events import AbandonReason, TurnAbandoned
from earshot_device.core.ids import OutcomeId, TurnId
from earshot_device.core.outcome import OutcomeKind, OutcomeSegment, SpeechFrame
from earshot_device.core.recognition import CloudError, Endpoint, RecognitionUpdate, UploadAck
from earshot_device.core.turn import Phase, Turn, Verdict
from earshot_device.errors import LinkLostError
from earshot_device.sound import tones
from earshot_device.sound.output import Channel
from earshot_device.sound.pacing import Pacer
from earshot_device.tasks import end
from earshot_device.turns.announcing import announce
from earshot_device.turns.filler import Filler
from earshot_device.turns.parts import Parts, TurnRequest
from earshot_device.turns.performance import Performance
from earshot_device.turns.reporting import TurnReport, beginning, describe, own_error
from earshot_device.turns.result import TurnResult

_OUTCOME_ASK_S = 3.0
_EARLY_FRAMES = 1000

_log = telemetry.logger("device.turn")


class TurnRun:
    """One turn in progress; `run` it once."""

    def __init__(self, request: TurnRequest, parts: Parts) -> None:
        settings = parts.settings
        now = asyncio.get_running_loop().time()
        self.turn = Turn(
            request.turn_id,
            now=now,
            listen_limit_s=settings.maximum_utterance_s,
            answer_limit_s=settings.answer_timeout_s,
        )
        self._request = request
        self._parts = parts
        self._ring = CaptureRing(settings.ring_bytes)
        self._upload = Upload(
            parts.link,
            settings.identity,
            turn_id=request.turn_id,
            audio_format=settings.capture_format,
            ring=self._ring,
            pacer=Pacer(settings.capture_speed),
            trailing_s=settings.trailing_silence_s,
            limit_s=settings.maximum_utterance_s,
        )
        self._performance: Performance | None = None
        self._filler = Filler(parts.output)
        self._early: list[SpeechFrame] = []
        self._errors: list[CloudError] = []
        self._abandoned: AbandonReason | None = None
        self._failure: AbandonReason | None = None
        self._interrupted = asyncio.Event()
        self._interrupted_by: TurnId | None = None
        self._changed = asyncio.Event()
        self._heard = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def outcome_id(self) -> OutcomeId | None:
        """The outcome that is being performed; None before there is one."""
        return self.turn.outcome_id if self.turn.phase is Phase.ANSWERING else None

    # What comes from the network.

    def recognised(self, recognised: RecognitionUpdate) -> bool:
        """Take an update of the recogniser; False if it was dropped."""
        if self.turn.hear(recognised, asyncio.get_running_loop().time()) is not Verdict.ACCEPTED:
            return False
        self._heard.set()
        update = recognised.update
        if isinstance(update, UploadAck) and self._upload.acknowledged(update.next_sequence):
            self._spawn(self._upload.resend())
        elif isinstance(update, Endpoint):
            self._upload.stop()
        elif isinstance(update, CloudError):
            self._errors.append(update)
        self._changed.set()
        return True

    def decided(self, segment: OutcomeSegment) -> bool:
        """Take a segment of an outcome; False if it was dropped."""
        if self.turn.decide(segment) is not Verdict.ACCEPTED:
            return False
        if self._performance is None:
            self._bind(segment)
        self._heard.set()
        self._changed.set()
        return True

    def spoken(self, frame: SpeechFrame) -> None:
        """Take a frame of the answer, or of a filler."""
        if self._performance is not None:
            self._performance.receive(frame)
        elif not frame.outcome_id:
            self._filler.receive(frame)
        elif len(self._early) < _EARLY_FRAMES and self.turn.phase is not Phase.CLOSED:
            # The outcome itself may have been lost; `watch` asks for it.
            self._early.append(frame)
            self._heard.set()

    def refused(self, error: CloudError) -> None:
        """Take an error about this turn; its outcome follows."""
        self._errors.append(error)

    def reconnected(self) -> None:
        """Make good what may have been lost while the connection was."""
        if self.turn.awaits_recognition:
            self._spawn(self._upload.resend())
        self._spawn(self._parts.ask_for_outcome(self.turn.turn_id))

    def interrupt(self, by_turn_id: TurnId | None = None) -> None:
        """End the turn now; silent, whatever it is doing."""
        self._interrupted_by = by_turn_id
        self._interrupted.set()

    # The turn.

    async def run(self) -> TurnResult:
        """Run the turn and return what it came to."""
        known = beginning(self._request, self._parts.settings)
        # A turn is a trace of its own, whatever its caller is part of.
        with telemetry.span("voice.turn", attributes=known, parent=Context()) as root:
            with self._parts.output.hold(Channel.TURN):
                await self._until_interrupted()
            result = TurnReport(
                turn=self.turn,
                upload=self._upload,
                player=self._performance.player if self._performance is not None else None,
                rate=self._parts.output.rate,
                trace_id=telemetry.current_trace_id(),
                abandoned=self._abandoned,
                interrupted=self._interrupted.is_set(),
                errors=tuple(self._errors),
            ).result()
            describe(root, result)
        return result

    async def _until_interrupted(self) -> None:
        work = asyncio.create_task(self._work(), name="device-turn")
        interruption = asyncio.create_task(self._interrupted.wait())
        try:
            await asyncio.wait({work, interruption}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            await end(work, interruption, *self._tasks)
            await self._end()

    async def _end(self) -> None:
        await self._filler.stop()
        if self.turn.phase is Phase.CLOSED:
            return
        if self._performance is not None:
            await self._performance.interrupt(self._interrupted_by)
        else:
            self._decide_to_abandon(AbandonReason.USER_CANCELLED)
            self._tell_abandoned(apology_played=False)
        self.turn.close()

    async def _work(self) -> None:
        announcing = self._spawn(self._announce())
        self._spawn(self._send())
        self._spawn(self._watch())
        failure = await self._await_outcome()
        self._upload.stop()
        self._ring.clear()
        announcing.cancel()
        if failure is not None:
            await self._abandon(failure)
        elif self._performance is not None:
            lost = await self._performance.run(self.turn, self._changed)
            if lost is not None:
                self._errors.append(own_error(lost))
                if not self._performance.heard:
                    await self._abandon(AbandonReason.CLOUD_TIMEOUT)
        self.turn.close()

    async def _announce(self) -> None:
        try:
            await announce(self._request, self._parts)
        except EarshotError as error:
            self._errors.append(own_error(error))
            lost = isinstance(error, LinkLostError) and not self._parts.link.connected
            self._failure = AbandonReason.NETWORK_LOST if lost else AbandonReason.CLOUD_TIMEOUT
            self._changed.set()

    async def _send(self) -> None:
        try:
            await self._upload.run(self._request.source)
        except EarshotError as error:
            # The microphone is gone; what has been sent may still be enough.
            self._errors.append(own_error(error))
        self.turn.stop_listening(asyncio.get_running_loop().time())
        self._changed.set()

    async def _watch(self) -> None:
        while self.turn.phase is Phase.LISTENING:
            await self._upload.check(self._heard)
        while self.turn.phase is Phase.WAITING:
            with suppress(TimeoutError):
                self._heard.clear()
                async with asyncio.timeout(_OUTCOME_ASK_S):
                    await self._heard.wait()
                if not self._early:
                    continue
            if not self.turn.segments:
                if self.turn.awaits_recognition:
                    await self._upload.check_once()
                await self._parts.ask_for_outcome(self.turn.turn_id)
                await asyncio.sleep(_OUTCOME_ASK_S / 10)

    async def _await_outcome(self) -> AbandonReason | None:
        loop = asyncio.get_running_loop()
        while self.turn.outcome_id is None:
            if self._failure is not None:
                return self._failure
            deadline = self.turn.deadline
            if deadline is None or self.turn.expired(loop.time()):
                return AbandonReason.CLOUD_TIMEOUT if self._parts.link.connected else AbandonReason.NETWORK_LOST
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
        return None

    def _bind(self, segment: OutcomeSegment) -> None:
        turn_id, outcome_id = self.turn.turn_id, segment.outcome_id
        self._parts.decisions.bind(turn_id, outcome_id)
        # Nobody waits long for the words of an apology: the device has its own.
        apology = segment.kind is OutcomeKind.APOLOGISED
        self._performance = Performance(
            turn_id,
            outcome_id,
            self._parts,
            first_frame=self._filler.end,
            first_s=self._parts.settings.apology_timeout_s if apology else None,
        )
        for frame in self._early:
            self._performance.receive(frame)
        self._early.clear()

    async def _abandon(self, reason: AbandonReason) -> None:
        self._decide_to_abandon(reason)
        self.turn.close()
        await self._filler.stop()
        try:
            clip = tones.apology(self._request.locale, self._parts.output.rate)
            await self._parts.output.write(Channel.TURN, clip)
        finally:
            self._tell_abandoned(apology_played=True)

    def _decide_to_abandon(self, reason: AbandonReason) -> None:
        self._abandoned = reason
        self._parts.decisions.abandon(self.turn.turn_id)

    def _tell_abandoned(self, *, apology_played: bool) -> None:
        if self._abandoned is not None:
            happening = TurnAbandoned(reason=self._abandoned, apology_played=apology_played)
            self._parts.outbox.put(happening, turn_id=self.turn.turn_id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The turn goes on to its deadline; what it lacks from here is in the log.
            _log.error("turn_task_failed", exc_info=error)
