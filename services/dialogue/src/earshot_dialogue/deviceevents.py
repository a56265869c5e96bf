"""What happens on devices, as far as turns and shadows depend on it."""

from __future__ import annotations

from earshot.common.v1 import turn_pb2
from earshot.device.v1 import downstream_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.bus import Bus, Delivery
from earshot_chassis.errors import EarshotError
from earshot_dialogue import metrics
from earshot_dialogue.claims.breaking import break_off
from earshot_dialogue.claims.chain import OutcomeChain, UnfinishedAnswerError
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.core.outcome import Kind, Segment, silent
from earshot_dialogue.core.values import Fault
from earshot_dialogue.errors import InvalidTurnError
from earshot_dialogue.shadows import DeviceShadows
from earshot_topology.subjects import TURN_SPEECH_CANCELLED, DeviceAddress, InvalidTokenError, token

_ACTED_ON = {"playback_interrupted", "turn_abandoned", "state_changed", "media_finished"}
# What a device may give as its reason; anything else is a device's own words, which go nowhere.
_REASONS = {"cloud_timeout", "network_lost", "user_cancelled"}


class DeviceEvents:
    """Handles device.<household>.<device>.up.event."""

    def __init__(self, bus: Bus, ledger: OutcomeLedger, shadows: DeviceShadows) -> None:
        self._bus = bus
        self._ledger = ledger
        self._shadows = shadows

    async def needs_nothing(self, event: upstream_pb2.DeviceEvent) -> bool:
        """Tell whether an event is only counted: most are, several a turn."""
        kind = event.WhichOneof("event") or "unknown"
        if kind in _ACTED_ON:
            return False
        metrics.DEVICE_EVENTS.add(1, {"type": kind})
        if kind == "playback_finished":
            metrics.CONCEALED_FRAMES.add(event.playback_finished.concealed_frame_count)
        return True

    async def happened(self, event: upstream_pb2.DeviceEvent, delivery: Delivery) -> None:
        """Act on one event.

        Raises:
            InvalidTurnError: An id can't be one.
            RetryableError: The bus did not answer.
        """
        kind = event.WhichOneof("event") or "unknown"
        metrics.DEVICE_EVENTS.add(1, {"type": kind})
        try:
            address = DeviceAddress.of(delivery.subject)
        except InvalidTokenError as error:
            raise InvalidTurnError(str(error), code="invalid_id") from error
        if kind == "playback_interrupted":
            await self._interrupted(address, event.playback_interrupted.position.outcome_id)
        elif kind == "turn_abandoned":
            await self._abandoned(address, event)
        elif kind == "state_changed":
            await self._shadows.write(address, event.state_changed, delivery.timestamp)
        elif kind == "media_finished":
            await self._media_finished(address, event.media_finished.media_item_id, delivery)

    async def parked(self, error: EarshotError, delivery: Delivery) -> None:
        """Tell a device that an event of it was given up."""
        told = downstream_pb2.DeviceError()
        told.error.code, told.error.message, told.error.stage = error.code, str(error), "dialogue"
        await self._bus.send(DeviceAddress.of(delivery.subject).error(), told)

    async def _cancel_speech(self, address: DeviceAddress, outcome_id: str) -> None:
        await self._bus.send(
            TURN_SPEECH_CANCELLED,
            outcome_pb2.SpeechCancelled(
                household_id=address.household, device_id=address.device, outcome_id=outcome_id
            ),
        )

    async def _interrupted(self, address: DeviceAddress, outcome_id: str) -> None:
        await self._cancel_speech(address, outcome_id)
        fault = Fault(code="interrupted_by_user", message="the user spoke over the answer", stage="device")
        await break_off(self._ledger, address, fault, outcome_id=outcome_id)

    async def _abandoned(self, address: DeviceAddress, event: upstream_pb2.DeviceEvent) -> None:
        """The device closed the turn: claim that, so that a late answer is refused; stop one that came before."""
        try:
            subject = address.turn_outcome(event.turn_id)
        except InvalidTokenError as error:
            raise InvalidTurnError(str(error), code="invalid_id") from error
        given = event.turn_abandoned.reason
        reason = given if given in _REASONS else "unknown"
        fault = Fault(code="turn_abandoned", message=f"the device closed the turn: {reason}", stage="device")
        context = turn_pb2.TurnContext(
            turn_id=token(event.turn_id),
            household_id=address.household,
            device_id=address.device,
            modality=turn_pb2.MODALITY_VOICE,
            boot_id=event.boot_id,
        )
        chain = OutcomeChain(self._ledger, subject, context, session_revision=0)
        try:
            claimed = await chain.append(silent(Kind.CANCELLED, fault))
        except UnfinishedAnswerError:
            claimed = await chain.append(Segment(kind=Kind.ANSWERED, fault=fault))
        if claimed.ours:
            metrics.TURNS.add(1, {"kind": Kind.CANCELLED.value, "code": fault.code})
        if chain.took_over or not claimed.ours:
            await self._cancel_speech(address, claimed.outcome.outcome_id)

    async def _media_finished(self, address: DeviceAddress, item_id: str, delivery: Delivery) -> None:
        state = await self._shadows.read(address)
        if state is None or state.media_item_id != item_id or not state.media_playing:
            return
        finished = upstream_pb2.StateChanged()
        finished.CopyFrom(state)
        finished.media_playing = False
        await self._shadows.write(address, finished, delivery.timestamp)
