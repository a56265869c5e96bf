"""Summing a turn up: as a result for its caller, and as attributes of its root span."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError
from earshot_device.bus.upload import Upload
from earshot_device.core.events import AbandonReason
from earshot_device.core.recognition import CloudError
from earshot_device.core.turn import Turn
from earshot_device.settings import DeviceSettings
from earshot_device.turns.parts import TurnRequest
from earshot_device.turns.result import TurnResult
from earshot_device.turns.speech import SpeechPlayer
from earshot_topology import attributes as names


def own_error(error: EarshotError) -> CloudError:
    """Return an error of the device itself in the form that the cloud's errors have."""
    return CloudError(code=error.code, message=str(error), retryable=error.retryable, stage="device")


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnReport:
    """What there is to say about a turn that has ended."""

    turn: Turn
    upload: Upload
    player: SpeechPlayer | None
    rate: int
    trace_id: str
    abandoned: AbandonReason | None
    interrupted: bool
    errors: tuple[CloudError, ...]

    def result(self) -> TurnResult:
        """Return it for the turn's caller."""
        turn, player, endpoint = self.turn, self.player, self.turn.endpoint
        segments = turn.segments
        closing = segments[-1] if segments else None
        return TurnResult(
            turn_id=turn.turn_id,
            trace_id=self.trace_id,
            interims=tuple(turn.interims),
            final=turn.final,
            end_of_speech_s=endpoint.end_of_speech_s if endpoint is not None else None,
            endpoint_reason=endpoint.reason if endpoint is not None else None,
            outcome_id=turn.outcome_id,
            kind=segments[0].kind if segments else None,
            segments=segments,
            session_id=closing.session_id if closing is not None else None,
            expects_reply=closing is not None and closing.final and closing.expects_reply and not self.interrupted,
            answer=player.played() if player is not None else np.empty(0, np.int16),
            answer_rate=self.rate,
            first_frame_s=self._since_speech(player.first_received_at if player is not None else None),
            first_audio_s=self._since_speech(player.first_played_at if player is not None else None),
            utterance_s=self.upload.duration_s,
            concealed_count=player.concealed_count if player is not None else 0,
            resent_count=self.upload.resent_count,
            abandoned=self.abandoned,
            interrupted=self.interrupted,
            errors=self.errors,
        )

    def _since_speech(self, moment: float | None) -> float | None:
        if moment is None or self.turn.endpoint is None:
            return None
        spoken = self.upload.moment_of(self.turn.endpoint.end_of_speech_s)
        return None if spoken is None else moment - spoken


def beginning(request: TurnRequest, settings: DeviceSettings) -> dict[str, AttributeValue]:
    """Return what is known of a turn when it begins, as attributes."""
    return {
        names.TURN_ID: request.turn_id,
        names.TURN_MODALITY: "voice",
        names.HOUSEHOLD_ID: settings.household_id,
        names.DEVICE_ID: settings.device_id,
        names.LOCALE: request.locale,
    }


def describe(root: Span, result: TurnResult) -> None:
    """Add what is known of a turn when it has ended to its root span."""
    found: dict[str, AttributeValue | None] = {
        names.TURN_KIND: result.kind.value if result.kind is not None else None,
        names.OUTCOME_ID: result.outcome_id,
        names.SESSION_ID: result.session_id,
        names.INTENT: next((segment.intent for segment in result.segments if segment.intent), None),
        names.SKILL_ID: next((segment.skill_id for segment in result.segments if segment.skill_id), None),
        names.AUDIO_SECONDS: result.utterance_s,
        names.END_OF_SPEECH_SECONDS: result.end_of_speech_s,
        names.ENDPOINT_REASON: result.endpoint_reason.value if result.endpoint_reason is not None else None,
        names.TIME_TO_FIRST_AUDIO: result.first_audio_s,
        names.CONCEALED_FRAMES: result.concealed_count or None,
    }
    root.set_attributes(telemetry.allowed({name: value for name, value in found.items() if value is not None}))
    if result.abandoned is not None:
        telemetry.fail(root, result.abandoned.value)
