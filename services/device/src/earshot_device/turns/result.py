"""What a turn came to, as its caller sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earshot_device.core.events import AbandonReason
from earshot_device.core.ids import OutcomeId, SessionId, TurnId
from earshot_device.core.outcome import OutcomeKind, OutcomeSegment
from earshot_device.core.recognition import CloudError, EndpointReason, Final, Interim


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TurnResult:
    """One turn from the utterance's first sample to the answer's last.

    Attributes:
        turn_id: Its id, which is also the utterance's.
        trace_id: 32 hex digits; empty where nothing is traced.
        interims: Interim transcripts in the order they came.
        final: What was understood; None where it never came.
        end_of_speech_s: By the cloud's word, from the utterance's first sample; None without an endpoint.
        endpoint_reason: Why the utterance was over; None without an endpoint.
        outcome_id: The outcome that the turn is bound to; None for an abandoned turn.
        kind: How the turn ended; None where it has no outcome.
        segments: The outcome's segments that were carried out: prompts, directives, what was understood.
        session_id: The session that the turn belongs to; None where the cloud did not say.
        expects_reply: Whether the microphone reopens.
        answer: What was heard of the answer, mono int16, shape (n,), before the volume.
        answer_rate: Its samples a second.
        first_frame_s: From end of speech to the arrival of the first frame of the answer; None if either never came.
        first_audio_s: From end of speech to the first sample of the answer leaving the loudspeaker; None likewise.
        utterance_s: Length of the audio that was sent.
        concealed_count: Frames of the answer that were filled with silence.
        resent_count: Frames of the utterance that were sent more than once.
        abandoned: Why the device closed the turn itself; None if it did not.
        interrupted: Whether playback was cut short.
        errors: Errors that the cloud reported, and the device's own (stage "device").
    """

    turn_id: TurnId
    trace_id: str
    interims: tuple[Interim, ...]
    final: Final | None
    end_of_speech_s: float | None
    endpoint_reason: EndpointReason | None
    outcome_id: OutcomeId | None
    kind: OutcomeKind | None
    segments: tuple[OutcomeSegment, ...]
    session_id: SessionId | None
    expects_reply: bool
    answer: NDArray[np.int16]
    answer_rate: int
    first_frame_s: float | None
    first_audio_s: float | None
    utterance_s: float
    concealed_count: int
    resent_count: int
    abandoned: AbandonReason | None
    interrupted: bool
    errors: tuple[CloudError, ...]

    @property
    def transcript(self) -> str:
        """The words that were understood; empty where there are none."""
        return self.final.transcript if self.final is not None else ""

    @property
    def answer_text(self) -> str:
        """The prompts of every segment, put together as their language does."""
        prompts = [prompt for segment in self.segments for prompt in segment.prompts]
        spaced = not any(prompt.locale.startswith("zh") for prompt in prompts)
        return (" " if spaced else "").join(prompt.text for prompt in prompts)
