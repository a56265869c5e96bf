"""What the recogniser tells a device while it listens, as values. Offsets count from the utterance's first sample."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from earshot_device.core.ids import TurnId


class EndpointReason(StrEnum):
    """Why an utterance was over."""

    UNSPECIFIED = "unspecified"
    SILENCE = "silence"
    DEVICE = "device"
    NO_SPEECH = "no_speech"
    MAXIMUM_LENGTH = "maximum_length"
    AUDIO_LOST = "audio_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadAck:
    """The cloud has every frame below `next_sequence`."""

    next_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """Speech began."""

    offset_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interim:
    """A guess at what has been said so far; the next one replaces it. Stability is 0 to 1."""

    transcript: str
    stability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The utterance is over."""

    end_of_speech_s: float
    reason: EndpointReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """What was said. Confidence is 0 to 1."""

    transcript: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudError:
    """An error that the cloud reports, with its stable code and the stage that refused."""

    code: str
    message: str
    retryable: bool = False
    stage: str = ""


Update = UploadAck | SpeechStarted | Interim | Endpoint | Final | CloudError


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionUpdate:
    """One update of a turn from the worker that owns it by `owner_epoch`; None where the contract is newer than us."""

    turn_id: TurnId
    owner_epoch: int
    update: Update | None
