"""Utterances that began: their deadline is armed before anything else can fail, and what they interrupt is stopped."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from earshot.common.v1 import turn_pb2
from earshot.device.v1 import upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis import telemetry
from earshot_chassis.bus import Bus, Delivery
from earshot_chassis.errors import ConflictError
from earshot_dialogue import deadlines
from earshot_dialogue.errors import InvalidTurnError
from earshot_topology.subjects import (
    TURN_SPEECH_CANCELLED,
    DeviceAddress,
    InvalidTokenError,
    locale_and_lane,
    token,
)


class UtteranceStarts:
    """Handles device.<household>.<device>.up.started.<locale>.<lane>.

    Args:
        bus: The bus.
        deadline: From an utterance's start to the deadline of a turn that is never heard of again. The recogniser moves
            it to the end of speech.
    """

    def __init__(self, bus: Bus, deadline: timedelta) -> None:
        self._bus = bus
        self._deadline = deadline

    async def started(self, event: upstream_pb2.UtteranceStarted, delivery: Delivery) -> None:
        """Arm the deadline; stop the speech that the utterance talks over.

        Raises:
            InvalidTurnError: An id can't be one.
            RetryableError: The stream did not acknowledge.
        """
        try:
            address = DeviceAddress.of(delivery.subject)
            locale, lane = locale_and_lane(delivery.subject)
            token(event.turn_id)
        except InvalidTokenError as error:
            raise InvalidTurnError(str(error), code="invalid_id") from error
        if event.interrupted_outcome_id:
            await self._bus.send(
                TURN_SPEECH_CANCELLED,
                outcome_pb2.SpeechCancelled(
                    household_id=address.household,
                    device_id=address.device,
                    outcome_id=event.interrupted_outcome_id,
                ),
            )
        context = turn_pb2.TurnContext(
            turn_id=event.turn_id,
            household_id=address.household,
            device_id=address.device,
            session_id=event.session_id,
            locale=locale,
            time_zone=event.time_zone,
            lane=lane,
            modality=turn_pb2.MODALITY_VOICE,
            boot_id=event.boot_id,
        )
        context.start_time.FromDatetime(delivery.timestamp)
        if event.HasField("playback_format"):
            context.playback_format.CopyFrom(event.playback_format)
        if event.HasField("device_clock_offset"):
            context.device_clock_offset.CopyFrom(event.device_clock_offset)
        # A redelivery, or one that was slow, must not move back what the recogniser has moved to the end of speech.
        with suppress(ConflictError):
            at = delivery.timestamp + self._deadline
            await deadlines.arm(
                self._bus, context, at, "speech", only_first=True, root=telemetry.trace_headers(delivery.headers)
            )
