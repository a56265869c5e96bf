"""What happens on a device, as values; sent to the cloud as DeviceEvent, at least once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from earshot_device.core.ids import BootId, DirectiveId, EventId, OutcomeId, TurnId


class Trigger(StrEnum):
    """What made the device listen."""

    WAKE_WORD = "wake_word"
    FOLLOW_UP = "follow_up"
    BUTTON = "button"
    BARGE_IN = "barge_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeWord:
    """A wake word as the device heard it. Offsets in seconds from the utterance's first sample, energy in dBFS."""

    model: str
    confidence: float
    start_offset_s: float
    end_offset_s: float
    energy_dbfs: float


class AbandonReason(StrEnum):
    """Why the device closed a turn itself."""

    CLOUD_TIMEOUT = "cloud_timeout"
    NETWORK_LOST = "network_lost"
    USER_CANCELLED = "user_cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The last frame of an outcome that left the loudspeaker."""

    outcome_id: OutcomeId
    segment_index: int
    frame_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackStarted:
    """The first frame of an outcome left the loudspeaker."""

    outcome_id: OutcomeId


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackFinished:
    """The last frame of an outcome left the loudspeaker."""

    outcome_id: OutcomeId
    concealed_frame_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackInterrupted:
    """Playback stopped before its end; `by_turn_id` is the utterance that interrupted it, if one did."""

    position: Position
    by_turn_id: TurnId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveAcknowledged:
    """A directive was carried out."""

    directive_id: DirectiveId
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveFailed:
    """A directive could not be carried out."""

    directive_id: DirectiveId
    code: str
    message: str
    retryable: bool = False

    @property
    def final(self) -> bool:
        """Whether the same directive would be refused again; a fault of the device's own may be over by then."""
        return not self.retryable and self.code != "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAbandoned:
    """The device closed the turn itself; this is final."""

    reason: AbandonReason
    apology_played: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """What the device is doing now. Volume in per cent, offset in seconds."""

    volume_percent: int = 50
    muted: bool = False
    media_item_id: str = ""
    media_playing: bool = False
    media_offset_s: float = 0.0
    ringing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The device has (re)connected."""

    firmware_version: str
    directive_revision: int
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFinished:
    """A media item reached its end."""

    media_item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RingDismissed:
    """Ringing was stopped on the device: by a button, by saying "stop", or because nobody did either."""

    occurrence_id: str


Happening = (
    PlaybackStarted
    | PlaybackFinished
    | PlaybackInterrupted
    | DirectiveAcknowledged
    | DirectiveFailed
    | TurnAbandoned
    | StateChanged
    | Connected
    | MediaFinished
    | RingDismissed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, when (seconds since 1970, the device's clock), in which boot and turn."""

    event_id: EventId
    boot_id: BootId
    at: float
    happening: Happening
    turn_id: TurnId | None = None
