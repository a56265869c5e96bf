"""What arrives on the bus: utterances that began, and devices that ask where an upload stands.

    UtteranceStarted ─► frames ─► recognition ─► TurnTranscribed (acknowledged by its stream) ─► start acknowledged
                                       └─ endpoint: the turn's deadline is armed anew, meanwhile

Whatever is wrong with an utterance, its turn goes on: TurnTranscribed says so, and dialogue decides what the user hears.
One that is beyond its household's quota ends here: with a refusal that dialogue speaks, or, in a flood, by an outcome that
nobody hears. An error that another worker, or this one in a moment, may not have, is left to the next delivery, which rebuilds the
utterance from the capture; after some deliveries it becomes the answer, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from earshot.asr.v1 import events_pb2
from earshot.common.v1 import turn_pb2
from earshot.device.v1 import upstream_pb2
from earshot_asr import wire
from earshot_asr.admission import Admission, Admitted, Refusal, Repeated
from earshot_asr.capture import Capture
from earshot_asr.endpointing import Endpoint
from earshot_asr.errors import QuotaExceededError, UtteranceTooLargeError
from earshot_asr.receiving import Receivers
from earshot_asr.recognition import Recognizer, Request, Result
from earshot_asr.reporting import DeviceReporter
from earshot_asr.utterance import Epoch, Utterance
from earshot_chassis import telemetry
from earshot_chassis.bus import Bus, Delivery
from earshot_chassis.errors import ConflictError, EarshotError, InvalidInputError, RetryableError
from earshot_chassis.ids import uuid7
from earshot_chassis.scheduling import publish_at
from earshot_registry import HouseholdWords
from earshot_topology import attributes
from earshot_topology.subjects import (
    TURN_DEADLINE_DUE,
    TURN_TRANSCRIBED,
    DeviceAddress,
    InvalidTokenError,
    token,
)

_ACTIVE = telemetry.gauge("earshot.asr.active_utterances", "Utterances that this worker owns.")
_UTTERANCES = telemetry.counter("earshot.asr.utterances", "Utterances by what became of them.")
_LATENCY = telemetry.histogram("earshot.asr.endpoint_to_transcribed", "From the endpoint to the stored transcript.")
_log = telemetry.logger("handlers")

_ARM_RETRY_S: Final = 3.0


class Handlers:
    """Owns the utterances that one worker recognises."""

    def __init__(
        self,
        bus: Bus,
        recognizer: Recognizer,
        receivers: Receivers,
        capture: Capture,
        admission: Admission,
        words: HouseholdWords,
        *,
        deadline_s: float,
        attempts: int,
    ) -> None:
        self._bus = bus
        self._recognizer = recognizer
        self._receivers = receivers
        self._capture = capture
        self._admission = admission
        self._words = words
        self._deadline = timedelta(seconds=deadline_s)
        self._attempts = attempts
        # It is there before the first utterance: what scales on it must find it.
        _ACTIVE.add(0)

    async def on_started(self, started: upstream_pb2.UtteranceStarted, delivery: Delivery) -> None:
        """Recognise one utterance.

        Raises:
            UtteranceRefusedError: It has no usable id, so that nothing can be said of its turn.
            RetryableError: Worth another delivery, or the utterance is another worker's by now.
        """
        turn_id = wire.turn_id_of(started)
        address = DeviceAddress.of(delivery.subject)
        turn = _Turn(
            address=address,
            context=wire.turn_context(started, delivery.subject, delivery.timestamp),
            epoch=Epoch(delivery.num_delivered),
            deadline=self._deadline,
            bus=self._bus,
            root=telemetry.trace_headers(delivery.headers),
        )
        reporter = DeviceReporter(self._bus.client, address, turn_id, turn.epoch, turn.ended)
        admitted = await self._admission.enter(address, turn_id, delivery)
        if isinstance(admitted, Repeated):
            return
        if isinstance(admitted, Refusal):
            await self._refuse(turn, reporter, admitted, delivery)
            return
        labels: dict[str, str | int] = {
            attributes.TURN_ID: turn_id,
            attributes.LOCALE: turn.context.locale,
            attributes.OWNER_EPOCH: turn.epoch,
        }
        _ACTIVE.add(1)
        try:
            with telemetry.span("asr.recognize", attributes=labels) as current:
                try:
                    utterance = wire.utterance_of(started, delivery.subject, delivery.num_delivered)
                    result = await self._recognize(utterance, admitted, reporter)
                except EarshotError as error:
                    delivery.check_owned()
                    if error.retryable and delivery.num_delivered < self._attempts:
                        raise
                    telemetry.fail(current, error.code)
                    _log.warning("utterance_refused", code=error.code, reason=str(error))
                    await reporter.failed(error)
                    if isinstance(error, UtteranceTooLargeError):
                        await reporter.refused(error)
                    await turn.publish(wire.refused(turn.context, turn.epoch, error.code))
                    _UTTERANCES.add(1, {"result": error.code})
                else:
                    delivery.check_owned()
                    if result.alternatives:
                        await reporter.final(result.alternatives[0])
                    await turn.publish(wire.transcribed(turn.context, turn.epoch, result))
                    _note(result, reporter.interims)
        finally:
            _ACTIVE.add(-1)
            await self._admission.leave(admitted)
            await turn.settle()
        self._capture.purge_later(address.audio(turn_id))

    async def on_resume(
        self, request: upstream_pb2.UploadStatusRequest, subject: str
    ) -> upstream_pb2.UploadStatusResponse:
        """Tell a device which frame the capture misses first.

        Raises:
            InvalidInputError: The turn id can't stand in a subject.
            RetryableError: The capture does not answer.
        """
        try:
            frames = DeviceAddress.of(subject).audio(token(request.turn_id))
        except InvalidTokenError as error:
            raise InvalidInputError("the turn id can't stand in a subject", code="invalid_turn_id") from error
        sequences: set[int] = set()

        def note(data: bytes) -> None:
            turn_id, sequence, _, _ = wire.read_frame(data)
            if turn_id == request.turn_id:
                sequences.add(sequence)

        if not await self._capture.read(frames, note):
            raise RetryableError("the capture does not answer", code="capture_unavailable")
        missing = 0
        while missing in sequences:
            missing += 1
        return upstream_pb2.UploadStatusResponse(next_sequence=missing)

    async def on_parked(self, error: EarshotError, delivery: Delivery) -> None:
        """Tell a device that a start event of it was given up before its turn could be read."""
        await self._bus.send(DeviceAddress.of(delivery.subject).error(), wire.device_error(error))

    async def _refuse(self, turn: _Turn, reporter: DeviceReporter, refusal: Refusal, delivery: Delivery) -> None:
        error = refusal.error
        telemetry.annotate({"error.type": error.code})
        await reporter.refused(error)
        delivery.check_owned()
        if refusal.spoken:
            _log.warning("quota_exceeded", reason=str(error))
            await reporter.failed(error)
            await turn.publish(wire.refused(turn.context, turn.epoch, error.code))
            await turn.settle()
        else:
            await turn.reject(error)

    async def _recognize(self, utterance: Utterance, admitted: Admitted, reporter: DeviceReporter) -> Result:
        receiver = await self._receivers.open(
            utterance.turn_id, admitted.address.audio(utterance.turn_id), reporter.acknowledged
        )
        try:
            # Frames are taken down meanwhile.
            words = await self._words.of(admitted.address.household)
            request = Request(
                locale=utterance.locale,
                audio_format=utterance.audio_format,
                skip_s=utterance.skip_s,
                interim_results=utterance.interim_results,
                phrases=wire.phrases_of(words, utterance.locale),
            )
            return await self._recognizer.recognize(request, receiver, reporter)
        finally:
            admitted.audio_bytes = receiver.assembler.accepted_bytes
            await self._receivers.close(receiver)
            telemetry.annotate({attributes.BACKFILLED_FRAMES: receiver.backfilled})


class _Turn:
    """What the owner of an utterance writes into streams: the turn's deadline and its transcript."""

    def __init__(
        self,
        *,
        address: DeviceAddress,
        context: turn_pb2.TurnContext,
        epoch: Epoch,
        deadline: timedelta,
        bus: Bus,
        root: Mapping[str, str],
    ) -> None:
        self._address = address
        self.context = context
        self.epoch = epoch
        self._deadline = deadline
        self._bus = bus
        self._root = root
        self._ended_ns = 0
        self._arming: asyncio.Task[None] | None = None

    async def ended(self, endpoint: Endpoint) -> None:
        """Note the end of speech and arm the deadline, without waiting for it."""
        self._end(endpoint.end_of_speech_offset)

    async def publish(self, event: events_pb2.TurnTranscribed) -> None:
        """Store what the turn goes on with.

        Raises:
            RetryableError: No stream acknowledged.
        """
        if self._arming is None:
            # Refused before its end was heard.
            self._end(0.0)
        event.turn.CopyFrom(self.context)
        key = self._address.turn_key(self.context.turn_id)
        await self._bus.publish(TURN_TRANSCRIBED, event, msg_id=f"{key}.transcribed")
        _LATENCY.record((time.monotonic_ns() - self._ended_ns) / 1e9)

    async def reject(self, error: QuotaExceededError) -> None:
        """End the turn in silence, unless it has ended: nobody is asked to say anything.

        Raises:
            RetryableError: No stream acknowledged.
        """
        outcome = wire.rejected(self.context, uuid7(), error)
        with suppress(ConflictError):
            await self._bus.publish(
                self._address.turn_outcome(self.context.turn_id), outcome, expected_last_subject_sequence=0
            )

    async def settle(self) -> None:
        """Wait until the deadline is armed. A failure is logged: the one that was armed at the start still holds."""
        if self._arming is None:
            return
        try:
            await self._arming
        except EarshotError as error:
            _log.warning("deadline_not_armed", code=error.code)

    def _end(self, end_of_speech_offset: float) -> None:
        self._ended_ns = time.monotonic_ns()
        now = datetime.now(UTC)
        deadline = now + self._deadline
        wire.end_turn(self.context, end_of_speech_offset=end_of_speech_offset, now=now, deadline=deadline)
        self._arming = asyncio.get_running_loop().create_task(self._arm(deadline))

    async def _arm(self, deadline: datetime) -> None:
        telemetry.note(
            "deadline.armed",
            {attributes.DEADLINE_FOR: "answer", attributes.DEADLINE_IN: self._deadline.total_seconds()},
        )
        await publish_at(
            self._bus,
            self._address.deadline_arm(self.context.turn_id),
            wire.turn_deadline(self.context),
            deadline,
            target=TURN_DEADLINE_DUE,
            headers=self._root,
            retry_for_s=_ARM_RETRY_S,
        )


def _note(result: Result, interims: int) -> None:
    best = result.alternatives[0].confidence if result.alternatives else 0.0
    telemetry.annotate(
        {
            attributes.ENGINE: result.engine,
            attributes.AUDIO_SECONDS: result.audio_duration,
            attributes.ENDPOINT_REASON: result.endpoint.reason.value,
            attributes.END_OF_SPEECH_SECONDS: result.endpoint.end_of_speech_offset,
            attributes.CONFIDENCE: best,
            attributes.REJECTION: result.rejection.value,
            attributes.INTERIM_COUNT: interims,
        }
    )
    _UTTERANCES.add(1, {"result": result.rejection.value, "endpoint": result.endpoint.reason.value})
