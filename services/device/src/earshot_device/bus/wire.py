"""Between protobuf messages and the device's values: the only module that knows both.

Nothing here takes words of the user: what goes up is audio and what happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from earshot.common.v1 import audio_pb2, error_pb2
from earshot.device.v1 import directive_pb2, downstream_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot_audio import Encoding, Format, UnsupportedFormatError
from earshot_device.core import directives as d
from earshot_device.core import events as e
from earshot_device.core import recognition as r
from earshot_device.core.capture import CapturedFrame
from earshot_device.core.ids import BootId, DirectiveId, OutcomeId, SessionId, TurnId
from earshot_device.core.outcome import OutcomeKind, OutcomeSegment, Prompt, Slot, SpeechFrame, Understanding
from earshot_device.core.speech_buffer import Gap
from earshot_device.errors import MalformedMessageError

CONTRACT_VERSION = 1
_NANOSECONDS = 1_000_000_000

M = TypeVar("M", bound=Message)

_ENCODINGS = {
    audio_pb2.AUDIO_ENCODING_LINEAR16: Encoding.LINEAR16,
    audio_pb2.AUDIO_ENCODING_OPUS: Encoding.OPUS,
}
_ENCODINGS_UP = {encoding: number for number, encoding in _ENCODINGS.items()}
_KINDS = {
    outcome_pb2.OUTCOME_KIND_ANSWERED: OutcomeKind.ANSWERED,
    outcome_pb2.OUTCOME_KIND_APOLOGISED: OutcomeKind.APOLOGISED,
    outcome_pb2.OUTCOME_KIND_CANCELLED: OutcomeKind.CANCELLED,
    outcome_pb2.OUTCOME_KIND_REJECTED: OutcomeKind.REJECTED,
}
_REASONS = {
    downstream_pb2.ENDPOINT_REASON_SILENCE: r.EndpointReason.SILENCE,
    downstream_pb2.ENDPOINT_REASON_DEVICE: r.EndpointReason.DEVICE,
    downstream_pb2.ENDPOINT_REASON_NO_SPEECH: r.EndpointReason.NO_SPEECH,
    downstream_pb2.ENDPOINT_REASON_MAXIMUM_LENGTH: r.EndpointReason.MAXIMUM_LENGTH,
    downstream_pb2.ENDPOINT_REASON_AUDIO_LOST: r.EndpointReason.AUDIO_LOST,
}
_RING_KINDS = {
    directive_pb2.RING_KIND_TIMER: d.RingKind.TIMER,
    directive_pb2.RING_KIND_ALARM: d.RingKind.ALARM,
    directive_pb2.RING_KIND_REMINDER: d.RingKind.REMINDER,
}
_TRIGGERS = {
    e.Trigger.WAKE_WORD: upstream_pb2.TRIGGER_WAKE_WORD,
    e.Trigger.FOLLOW_UP: upstream_pb2.TRIGGER_FOLLOW_UP,
    e.Trigger.BUTTON: upstream_pb2.TRIGGER_BUTTON,
    e.Trigger.BARGE_IN: upstream_pb2.TRIGGER_BARGE_IN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What the device announces of an utterance. `started_at` is in seconds since 1970, by the device's clock."""

    turn_id: TurnId
    boot_id: BootId
    session_id: SessionId | None
    format: Format
    playback_format: Format
    started_at: float
    clock_offset_s: float
    trigger: e.Trigger
    wake_word: e.WakeWord | None
    pre_roll_s: float
    time_zone: str
    interrupted_outcome_id: OutcomeId | None
    interim_results: bool


# Up.


def started(utterance: Utterance) -> upstream_pb2.UtteranceStarted:
    """Return the announcement of an utterance."""
    return upstream_pb2.UtteranceStarted(
        turn_id=utterance.turn_id,
        boot_id=utterance.boot_id,
        session_id=utterance.session_id or "",
        format=format_up(utterance.format),
        start_time=_timestamp(utterance.started_at),
        device_clock_offset=_duration(utterance.clock_offset_s),
        trigger=_TRIGGERS[utterance.trigger],
        wake_word=_wake_word(utterance.wake_word) if utterance.wake_word is not None else None,
        pre_roll=_duration(utterance.pre_roll_s),
        playback_format=format_up(utterance.playback_format),
        time_zone=utterance.time_zone,
        contract_version=CONTRACT_VERSION,
        interrupted_outcome_id=utterance.interrupted_outcome_id or "",
        interim_results=utterance.interim_results,
    )


def _wake_word(heard: e.WakeWord) -> upstream_pb2.WakeWord:
    return upstream_pb2.WakeWord(
        model=heard.model,
        confidence=heard.confidence,
        start_offset=_duration(heard.start_offset_s),
        end_offset=_duration(heard.end_offset_s),
        energy_dbfs=heard.energy_dbfs,
    )


def audio_frame(turn_id: TurnId, frame: CapturedFrame) -> bytes:
    """Return a frame of the utterance, serialised."""
    return upstream_pb2.AudioFrame(
        turn_id=turn_id, sequence=frame.sequence, payload=frame.payload, last=frame.last
    ).SerializeToString()


def event(happened: e.Event) -> upstream_pb2.DeviceEvent:
    """Return an event."""
    message = upstream_pb2.DeviceEvent(
        event_id=happened.event_id,
        boot_id=happened.boot_id,
        event_time=_timestamp(happened.at),
        turn_id=happened.turn_id or "",
    )
    _fill_event(message, happened.happening)
    return message


def _fill_event(message: upstream_pb2.DeviceEvent, happening: e.Happening) -> None:  # noqa: C901 - one case an event
    match happening:
        case e.PlaybackStarted():
            message.playback_started.outcome_id = happening.outcome_id
        case e.PlaybackFinished():
            message.playback_finished.outcome_id = happening.outcome_id
            message.playback_finished.concealed_frame_count = happening.concealed_frame_count
        case e.PlaybackInterrupted():
            message.playback_interrupted.position.outcome_id = happening.position.outcome_id
            message.playback_interrupted.position.segment_index = happening.position.segment_index
            message.playback_interrupted.position.frame_sequence = happening.position.frame_sequence
            message.playback_interrupted.interrupting_turn_id = happening.by_turn_id or ""
        case e.DirectiveAcknowledged():
            message.directive_acknowledged.directive_id = happening.directive_id
            message.directive_acknowledged.revision = happening.revision
        case e.DirectiveFailed():
            message.directive_failed.directive_id = happening.directive_id
            message.directive_failed.error.CopyFrom(
                error_pb2.Error(
                    code=happening.code, message=happening.message, retryable=happening.retryable, stage="device"
                )
            )
        case e.TurnAbandoned():
            message.turn_abandoned.reason = happening.reason.value
            message.turn_abandoned.apology_played = happening.apology_played
        case e.StateChanged():
            message.state_changed.CopyFrom(_state(happening))
        case e.Connected():
            message.connected.firmware_version = happening.firmware_version
            message.connected.directive_revision = happening.directive_revision
            message.connected.capabilities.extend(happening.capabilities)
        case e.MediaFinished():
            message.media_finished.media_item_id = happening.media_item_id
        case e.RingDismissed():
            message.ring_dismissed.occurrence_id = happening.occurrence_id


def _state(state: e.StateChanged) -> upstream_pb2.StateChanged:
    return upstream_pb2.StateChanged(
        volume_percent=state.volume_percent,
        muted=state.muted,
        media_item_id=state.media_item_id,
        media_playing=state.media_playing,
        media_offset=_duration(state.media_offset_s),
        ringing_occurrence_ids=state.ringing,
    )


def backfill_request(turn_id: TurnId, outcome_id: OutcomeId, gap: Gap) -> bytes:
    """Return a request for speech frames, serialised."""
    return upstream_pb2.BackfillRequest(
        turn_id=turn_id, outcome_id=outcome_id, from_sequence=gap.first, to_sequence=gap.end
    ).SerializeToString()


def upload_status_request(turn_id: TurnId) -> bytes:
    """Return a request for where an upload stands, serialised."""
    return upstream_pb2.UploadStatusRequest(turn_id=turn_id).SerializeToString()


def outcome_status_request(turn_id: TurnId) -> bytes:
    """Return a request for what was decided meanwhile, serialised."""
    return upstream_pb2.OutcomeStatusRequest(turn_id=turn_id).SerializeToString()


def directives_request() -> bytes:
    """Return a request for directives that came while the device was away, serialised."""
    return upstream_pb2.DirectivesRequest().SerializeToString()


def announcement_request(turn_id: TurnId, words: d.Speak, playback: Format, boot_id: BootId) -> bytes:
    """Return a request to have words spoken, serialised."""
    return upstream_pb2.AnnouncementRequest(
        turn_id=turn_id,
        text=words.text,
        locale=words.locale,
        playback_format=format_up(playback),
        boot_id=boot_id,
    ).SerializeToString()


# Down. Each raises MalformedMessageError for bytes that are not the message.


def backfilled_frame_count(payload: bytes) -> int:
    """Read how many frames a backfill sent."""
    return _parse(payload, upstream_pb2.BackfillResponse).frame_count


def upload_next_sequence(payload: bytes) -> int:
    """Read the first frame that the cloud's capture lacks."""
    return _parse(payload, upstream_pb2.UploadStatusResponse).next_sequence


def recognition_update(payload: bytes) -> r.RecognitionUpdate:
    """Read an update of the recogniser."""
    message = _parse(payload, downstream_pb2.RecognitionUpdate)
    return r.RecognitionUpdate(
        turn_id=TurnId(message.turn_id), owner_epoch=message.owner_epoch, update=_update(message)
    )


def _update(message: downstream_pb2.RecognitionUpdate) -> r.Update | None:  # noqa: PLR0911 - one return an update
    match message.WhichOneof("update"):
        case "upload_ack":
            return r.UploadAck(next_sequence=message.upload_ack.next_sequence)
        case "speech_started":
            return r.SpeechStarted(offset_s=_seconds(message.speech_started.start_offset))
        case "interim_transcript":
            interim = message.interim_transcript
            return r.Interim(transcript=interim.transcript, stability=interim.stability)
        case "endpoint_detected":
            endpoint = message.endpoint_detected
            return r.Endpoint(
                end_of_speech_s=_seconds(endpoint.end_of_speech_offset),
                reason=_REASONS.get(endpoint.reason, r.EndpointReason.UNSPECIFIED),
            )
        case "final_transcript":
            final = message.final_transcript
            return r.Final(transcript=final.transcript, confidence=final.confidence)
        case "error":
            return _error(message.error)
        case _:
            return None


def outcome(payload: bytes) -> OutcomeSegment:
    """Read a segment of an outcome."""
    message = _parse(payload, outcome_pb2.Outcome)
    return OutcomeSegment(
        turn_id=TurnId(message.turn.turn_id),
        outcome_id=OutcomeId(message.outcome_id),
        kind=_KINDS.get(message.kind, OutcomeKind.UNSPECIFIED),
        segment_index=message.segment_index,
        final=message.final,
        prompts=tuple(
            Prompt(text=prompt.text, locale=prompt.locale, key=prompt.key, interruptible=prompt.interruptible)
            for prompt in message.prompts
        ),
        directives=tuple(_directive(one) for one in message.directives),
        expects_reply=message.expects_reply,
        session_id=SessionId(message.turn.session_id) if message.turn.session_id else None,
        turn_index=message.turn.turn_index,
        error=_error(message.error) if message.HasField("error") else None,
        intent=message.intent,
        skill_id=message.skill_id,
        skill_version=message.skill_version,
        understanding=_understanding(message.hypothesis) if message.HasField("hypothesis") else None,
    )


def _understanding(message: interpreter_pb2.Hypothesis) -> Understanding:
    return Understanding(
        intent=message.intent,
        confidence=message.confidence,
        slots=tuple(Slot(name=slot.name, text=slot.text, value=_slot_value(slot.value)) for slot in message.slots),
        recognizer=message.recognizer,
    )


def _slot_value(message: interpreter_pb2.SlotValue) -> str | float:
    match message.WhichOneof("value"):
        case "number_value":
            return message.number_value
        case "duration_value":
            return _seconds(message.duration_value)
        case "date_time_value":
            return message.date_time_value.start
        case _:
            return message.string_value


def speech_frame(payload: bytes) -> SpeechFrame:
    """Read a frame of an answer."""
    message = _parse(payload, downstream_pb2.SpeechFrame)
    return SpeechFrame(
        turn_id=TurnId(message.turn_id),
        outcome_id=OutcomeId(message.outcome_id),
        segment_index=message.segment_index,
        sequence=message.sequence,
        owner_epoch=message.owner_epoch,
        payload=message.payload,
        format=_format(message.format) if message.HasField("format") else None,
        last=message.last,
        segment_last=message.segment_last,
        duration_s=_seconds(message.duration),
    )


def directive(payload: bytes) -> d.Directive:
    """Read a directive outside an outcome.

    Raises:
        MalformedMessageError: It is not one, or has no id: an empty payload reads as an empty message.
    """
    message = _parse(payload, directive_pb2.Directive)
    if not message.directive_id:
        raise MalformedMessageError("a directive without an id")
    return _directive(message)


def device_error(payload: bytes) -> tuple[TurnId, r.CloudError]:
    """Read an error and the turn that it belongs to (empty where it could not be read)."""
    message = _parse(payload, downstream_pb2.DeviceError)
    return TurnId(message.turn_id), _error(message.error)


def _directive(message: directive_pb2.Directive) -> d.Directive:
    return d.Directive(
        directive_id=DirectiveId(message.directive_id),
        revision=message.revision,
        expire_at=_moment(message.expire_time) if message.HasField("expire_time") else None,
        command=_command(message),
    )


def _command(message: directive_pb2.Directive) -> d.Command | None:  # noqa: C901, PLR0911 - one case a command
    match message.WhichOneof("command"):
        case "speak":
            return d.Speak(text=message.speak.text, locale=message.speak.locale)
        case "play":
            return d.Play(
                items=tuple(_item(item) for item in message.play.items),
                enqueue=message.play.behavior == directive_pb2.PLAY_BEHAVIOR_ENQUEUE,
            )
        case "pause":
            return d.Pause()
        case "resume":
            return d.Resume()
        case "stop":
            return d.Stop()
        case "set_volume":
            absolute = message.set_volume.WhichOneof("change") == "volume_percent"
            return d.SetVolume(
                percent=message.set_volume.volume_percent if absolute else None,
                delta=None if absolute else message.set_volume.delta_percent,
            )
        case "listen":
            return d.Listen(session_id=SessionId(message.listen.session_id), timeout_s=_seconds(message.listen.timeout))
        case "ring":
            return _ring(message.ring)
        case "stop_ring":
            return d.StopRing(occurrence_id=message.stop_ring.occurrence_id)
        case "stop_speech":
            return d.StopSpeech(outcome_id=OutcomeId(message.stop_speech.outcome_id))
        case _:
            return None


def _ring(message: directive_pb2.Ring) -> d.Ring:
    words = d.Speak(text=message.announcement.text, locale=message.announcement.locale)
    return d.Ring(
        occurrence_id=message.occurrence_id,
        label=message.label,
        announcement=words if words.text.strip() else None,
        kind=_RING_KINDS.get(message.kind, d.RingKind.UNSPECIFIED),
        length_s=_seconds(message.length) if message.HasField("length") else None,
        due_at=_moment(message.due_time) if message.HasField("due_time") else None,
    )


def _item(message: directive_pb2.MediaItem) -> d.MediaItem:
    return d.MediaItem(
        item_id=message.item_id,
        url=message.url,
        media_type=message.media_type,
        title=message.title,
        artist=message.artist,
        start_offset_s=_seconds(message.start_offset),
        duration_s=_seconds(message.duration),
    )


def format_up(audio_format: Format) -> audio_pb2.AudioFormat:
    """Return a format as the contracts have it."""
    return audio_pb2.AudioFormat(
        encoding=_ENCODINGS_UP[audio_format.encoding],
        sample_rate_hertz=audio_format.sample_rate_hertz,
        channel_count=audio_format.channel_count,
    )


def _format(message: audio_pb2.AudioFormat) -> Format:
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        raise MalformedMessageError("speech in an encoding that this device does not know")
    try:
        return Format(
            encoding=encoding,
            sample_rate_hertz=message.sample_rate_hertz,
            channel_count=message.channel_count or 1,
        )
    except UnsupportedFormatError as error:
        raise MalformedMessageError(str(error)) from error


def _error(message: error_pb2.Error) -> r.CloudError:
    return r.CloudError(code=message.code, message=message.message, retryable=message.retryable, stage=message.stage)


def _parse(payload: bytes, message_type: type[M]) -> M:
    try:
        return message_type.FromString(payload)
    except DecodeError as error:
        raise MalformedMessageError(f"not a {message_type.DESCRIPTOR.full_name} ({len(payload)} bytes)") from error


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / _NANOSECONDS


def _duration(seconds: float) -> Duration:
    message = Duration()
    message.FromNanoseconds(round(seconds * _NANOSECONDS))
    return message


def _moment(timestamp: Timestamp) -> float:
    return timestamp.seconds + timestamp.nanos / _NANOSECONDS


def _timestamp(at: float) -> Timestamp:
    message = Timestamp()
    message.FromNanoseconds(round(at * _NANOSECONDS))
    return message
