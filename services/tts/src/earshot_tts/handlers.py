"""What arrives on the bus: outcomes, fillers, cancellations."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis import telemetry
from earshot_chassis.bus import Bus
from earshot_chassis.consuming import Delivery
from earshot_chassis.errors import EarshotError
from earshot_topology.subjects import DeviceAddress, InvalidTokenError, turn_of
from earshot_tts import wire
from earshot_tts.active import ActiveSpeech
from earshot_tts.errors import SpeechError
from earshot_tts.requests import OutcomeId, SpeechRequest, TurnId
from earshot_tts.speaking import Speaker

_MOST_FILLERS = 256
# Longer than people bridge a wait.
_FILLER_S = 3.0
_log = telemetry.logger("tts")


async def report(bus: Bus, address: DeviceAddress, turn_id: TurnId, error: EarshotError) -> None:
    """Tell a device what can't be spoken to it."""
    await bus.send(address.error(), wire.device_error(turn_id, error))


class Handlers:
    """Messages in, speech out.

    Args:
        bus: Where refusals are sent.
        speaker: Speaks.
        active: What is being spoken.
        stale_s: Age at which an outcome that nobody has begun to speak is not spoken any more.
    """

    def __init__(self, bus: Bus, speaker: Speaker, active: ActiveSpeech, *, stale_s: float) -> None:
        self._bus = bus
        self._stale_s = stale_s
        self._speaker = speaker
        self._active = active
        self._fillers: set[asyncio.Task[None]] = set()

    async def on_outcome(self, outcome: outcome_pb2.Outcome, delivery: Delivery) -> None:
        """Speak a segment; the message is owned until its last frame has left. What is not heard is acknowledged.

        Raises:
            EarshotError: It can't be spoken now (retryable), or the message is malformed.
        """
        closes = outcome.final and outcome.segment_index > 0
        if not wire.is_heard(outcome) or not (outcome.prompts or closes):
            return
        decided_at = delivery.timestamp.timestamp()
        if delivery.num_delivered == 1 and time.time() - decided_at > self._stale_s:
            # The device has long told its user that nobody answered.
            _log.warning("outcome_is_stale")
            return
        try:
            request = wire.speech_request(outcome, delivery.subject, delivery.num_delivered)
        except SpeechError as error:
            # Nothing that a device could play: it is told, and the outcome is done with.
            _log.warning("outcome_not_spoken", code=error.code, reason=str(error))
            await self._refuse(delivery.subject, error)
            return
        await self._speaker.speak(replace(request, check_owned=delivery.check_owned), decided_at=decided_at)

    async def on_parked(self, error: EarshotError, delivery: Delivery) -> None:
        """Tell a device that an outcome was given up."""
        await self._refuse(delivery.subject, error)

    async def on_filler(self, filler: outcome_pb2.FillerRequested, _subject: str) -> None:
        """Begin to speak a filler; losable, so it is dropped when there is too much to say."""
        try:
            request = wire.filler_request(filler)
        except SpeechError as error:
            _log.warning("filler_not_spoken", code=error.code, reason=str(error))
            return
        if len(self._fillers) >= _MOST_FILLERS:
            _log.warning("filler_dropped")
            return
        task = asyncio.get_running_loop().create_task(self._bridge(request), name="tts-filler")
        self._fillers.add(task)
        task.add_done_callback(self._fillers.discard)

    async def on_cancelled(self, cancelled: outcome_pb2.SpeechCancelled, _subject: str) -> None:
        """Stop speaking."""
        address = DeviceAddress(cancelled.household_id, cancelled.device_id)
        self._active.cancel(address, OutcomeId(cancelled.outcome_id) if cancelled.outcome_id else None)

    async def stop(self) -> None:
        """Let fillers that have begun end, for a while, and then end them."""
        if self._fillers:
            await asyncio.wait(self._fillers, timeout=_FILLER_S)
        for task in tuple(self._fillers):
            task.cancel()
        await asyncio.gather(*self._fillers, return_exceptions=True)

    async def _bridge(self, request: SpeechRequest) -> None:
        try:
            await self._speaker.bridge(request)
        except EarshotError as error:
            _log.warning("filler_failed", code=error.code, reason=str(error))

    async def _refuse(self, subject: str, error: EarshotError) -> None:
        try:
            address, turn_id = wire.outcome_address(subject), TurnId(turn_of(subject))
        except (SpeechError, InvalidTokenError):
            return
        await report(self._bus, address, turn_id, error)
