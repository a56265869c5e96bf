"""Between the contracts and the domain: the only module that knows both."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, cast

from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.message import DecodeError

from earshot.asr.v1 import events_pb2, recognizer_pb2
from earshot.common.v1 import audio_pb2, error_pb2, turn_pb2
from earshot.device.v1 import downstream_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_asr.endpointing import Endpoint, EndpointReason
from earshot_asr.engines.base import Alternative, EngineCapabilities, Locale, Phrases, Rejection, Vocabulary
from earshot_asr.errors import UtteranceRefusedError
from earshot_asr.recognition import Request, Result
from earshot_asr.utterance import Epoch, TurnId, Utterance
from earshot_audio import Encoding, Format, UnsupportedFormatError
from earshot_chassis.errors import EarshotError
from earshot_registry import HouseholdWord, RegistrySnapshot
from earshot_topology.subjects import DeviceAddress, InvalidTokenError, locale_and_lane, token

CONTRACT_VERSION: Final = 1
LONGEST_SKIP_S: Final = 5.0
"""A wake word does not end later than this, whatever a device says."""

_ENCODINGS = {
    audio_pb2.AUDIO_ENCODING_LINEAR16: Encoding.LINEAR16,
    audio_pb2.AUDIO_ENCODING_OPUS: Encoding.OPUS,
}
_REASONS = {
    EndpointReason.SILENCE: downstream_pb2.ENDPOINT_REASON_SILENCE,
    EndpointReason.DEVICE: downstream_pb2.ENDPOINT_REASON_DEVICE,
    EndpointReason.NO_SPEECH: downstream_pb2.ENDPOINT_REASON_NO_SPEECH,
    EndpointReason.MAXIMUM_LENGTH: downstream_pb2.ENDPOINT_REASON_MAXIMUM_LENGTH,
    EndpointReason.AUDIO_LOST: downstream_pb2.ENDPOINT_REASON_AUDIO_LOST,
}
_REJECTIONS = {
    Rejection.NONE: events_pb2.REJECTION_UNSPECIFIED,
    Rejection.NO_SPEECH: events_pb2.REJECTION_NO_SPEECH,
    Rejection.NOT_FOR_US: events_pb2.REJECTION_NOT_FOR_US,
}


class Taken(Protocol):
    """An utterance that a worker took."""

    @property
    def address(self) -> DeviceAddress:
        """Whose it is."""

    @property
    def turn_id(self) -> TurnId:
        """Its id."""

    @property
    def epoch(self) -> int:
        """The delivery by which it was taken."""

    @property
    def start(self) -> int:
        """Its start event's sequence on the stream."""

    @property
    def began_at(self) -> float:
        """When, in seconds since 1970."""

    @property
    def audio_bytes(self) -> int:
        """Bytes that were accepted of it."""


# What comes in.


def turn_id_of(started: upstream_pb2.UtteranceStarted) -> TurnId:
    """Return the turn's id.

    Raises:
        UtteranceRefusedError: invalid_turn_id.
    """
    try:
        return TurnId(token(started.turn_id))
    except InvalidTokenError as error:
        raise UtteranceRefusedError("the turn id can't stand in a subject", code="invalid_turn_id") from error


def utterance_of(started: upstream_pb2.UtteranceStarted, subject: str, num_delivered: int) -> Utterance:
    """Return what a start event announces.

    Raises:
        UtteranceRefusedError: unsupported_contract_version, invalid_turn_id, or a format that is not supported.
    """
    if started.contract_version != CONTRACT_VERSION:
        raise UtteranceRefusedError(
            f"contract version {started.contract_version} is not spoken here", code="unsupported_contract_version"
        )
    locale, _ = locale_and_lane(subject)
    # Absent offsets read as zero.
    wake_word_end_s = started.wake_word.end_offset.seconds + started.wake_word.end_offset.nanos / 1e9
    return Utterance(
        turn_id=turn_id_of(started),
        epoch=Epoch(num_delivered),
        locale=Locale(locale),
        audio_format=format_of(started.format),
        skip_s=min(max(0.0, wake_word_end_s), LONGEST_SKIP_S),
        # Devices that came before the field show them, for all that is known.
        interim_results=started.interim_results or not started.HasField("interim_results"),
    )


def format_of(message: audio_pb2.AudioFormat) -> Format:
    """Return an audio format.

    Raises:
        UtteranceRefusedError: unsupported_encoding, unsupported_sample_rate, unsupported_channel_count.
    """
    try:
        return Format(
            encoding=cast("Encoding", _ENCODINGS.get(message.encoding, message.encoding)),
            sample_rate_hertz=message.sample_rate_hertz,
            channel_count=message.channel_count,
        )
    except UnsupportedFormatError as error:
        raise UtteranceRefusedError(str(error), code=error.code) from error


def read_frame(data: bytes) -> tuple[str, int, bytes, bool]:
    """Read a frame: turn, sequence, payload, whether it is the last.

    Raises:
        ValueError: It is no frame.
    """
    try:
        frame = upstream_pb2.AudioFrame.FromString(data)
    except DecodeError as error:
        raise ValueError("not an AudioFrame") from error
    return frame.turn_id, frame.sequence, frame.payload, frame.last


def request_of(config: recognizer_pb2.RecognitionConfig) -> Request:
    """Return what a call asks for.

    Raises:
        UtteranceRefusedError: The format is not supported.
    """
    return Request(
        locale=Locale(config.locale),
        audio_format=format_of(config.format),
        interim_results=config.interim_results,
        endpointing=not config.disable_endpointing,
    )


def phrases_of(words: Iterable[HouseholdWord], locale: Locale) -> Phrases:
    """Return a household's words in a language by the list of the skills' sentences that they are values of."""
    phrases: dict[str, list[str]] = {}
    for word in words:
        if word.locale == locale:
            phrases.setdefault(word.list_name, []).append(word.text)
    return phrases


def vocabulary_of(snapshot: RegistrySnapshot) -> Vocabulary:
    """Return the sentence templates of every live skill."""
    locales: dict[Locale, list[str]] = {}
    for skill in snapshot.skills:
        for resources in skill.description.locales:
            locales.setdefault(Locale(resources.locale), []).append(resources.sentences_yaml)
    return Vocabulary(
        revision=snapshot.revision, locales={locale: tuple(documents) for locale, documents in locales.items()}
    )


# What goes out.


def turn_context(started: upstream_pb2.UtteranceStarted, subject: str, stored_time: datetime) -> turn_pb2.TurnContext:
    """Return the turn's context as far as its start tells; stored_time stands in for a start time that is not set."""
    address = DeviceAddress.of(subject)
    locale, lane = locale_and_lane(subject)
    context = turn_pb2.TurnContext(
        turn_id=started.turn_id,
        household_id=address.household,
        device_id=address.device,
        session_id=started.session_id,
        locale=locale,
        time_zone=started.time_zone,
        lane=lane,
        modality=turn_pb2.MODALITY_VOICE,
        start_time=_timestamp(_start_time(started) or stored_time),
        boot_id=started.boot_id,
    )
    if started.HasField("device_clock_offset"):
        context.device_clock_offset.CopyFrom(started.device_clock_offset)
    if started.HasField("playback_format"):
        context.playback_format.CopyFrom(started.playback_format)
    return context


def _start_time(started: upstream_pb2.UtteranceStarted) -> datetime | None:
    """Return the start by the cloud's clock; None when the device tells none, or none that a calendar has."""
    if not started.HasField("start_time"):
        return None
    try:
        return started.start_time.ToDatetime(tzinfo=UTC) - started.device_clock_offset.ToTimedelta()
    except (ValueError, OverflowError):
        return None


def end_turn(context: turn_pb2.TurnContext, *, end_of_speech_offset: float, now: datetime, deadline: datetime) -> None:
    """Write into a context when speech ended and when the turn has to."""
    context.end_of_speech_offset.CopyFrom(_duration(end_of_speech_offset))
    context.end_of_speech_time.CopyFrom(_timestamp(now))
    context.deadline_time.CopyFrom(_timestamp(deadline))


def transcribed(context: turn_pb2.TurnContext, epoch: Epoch, result: Result) -> events_pb2.TurnTranscribed:
    """Return a result as the event that follows."""
    return events_pb2.TurnTranscribed(
        turn=context,
        alternatives=[_alternative(alternative) for alternative in result.alternatives],
        rejection=_REJECTIONS[result.rejection],
        owner_epoch=epoch,
        engine=result.engine,
        registry_revision=result.registry_revision,
        endpoint_reason=_REASONS[result.endpoint.reason],
        audio_duration=_duration(result.audio_duration),
    )


def refused(context: turn_pb2.TurnContext, epoch: Epoch, code: str) -> events_pb2.TurnTranscribed:
    """Return the event that says that an utterance could not be recognised."""
    lost = code == "audio_lost"
    return events_pb2.TurnTranscribed(
        turn=context,
        rejection=events_pb2.REJECTION_BAD_AUDIO,
        error_code=code,
        owner_epoch=epoch,
        endpoint_reason=_REASONS[EndpointReason.AUDIO_LOST] if lost else downstream_pb2.ENDPOINT_REASON_UNSPECIFIED,
    )


def turn_deadline(context: turn_pb2.TurnContext) -> outcome_pb2.TurnDeadline:
    """Return the deadline that is armed at the end of speech."""
    return outcome_pb2.TurnDeadline(turn=context, waiting_for="answer")


def upload_ack(turn_id: TurnId, epoch: Epoch, next_sequence: int) -> downstream_pb2.RecognitionUpdate:
    """Return what tells a device which frames the cloud has."""
    return downstream_pb2.RecognitionUpdate(
        turn_id=turn_id, owner_epoch=epoch, upload_ack=downstream_pb2.UploadAck(next_sequence=next_sequence)
    )


def speech_started(turn_id: TurnId, epoch: Epoch, offset: float) -> downstream_pb2.RecognitionUpdate:
    """Return what tells a device that speech began."""
    return downstream_pb2.RecognitionUpdate(
        turn_id=turn_id,
        owner_epoch=epoch,
        speech_started=downstream_pb2.SpeechStarted(start_offset=_duration(offset)),
    )


def interim_update(
    turn_id: TurnId, epoch: Epoch, transcript: str, stability: float
) -> downstream_pb2.RecognitionUpdate:
    """Return what tells a device the words so far."""
    return downstream_pb2.RecognitionUpdate(
        turn_id=turn_id, owner_epoch=epoch, interim_transcript=interim_transcript(transcript, stability)
    )


def interim_transcript(transcript: str, stability: float) -> downstream_pb2.InterimTranscript:
    """Return the words so far."""
    return downstream_pb2.InterimTranscript(transcript=transcript, stability=stability)


def endpoint_update(turn_id: TurnId, epoch: Epoch, endpoint: Endpoint) -> downstream_pb2.RecognitionUpdate:
    """Return what tells a device to stop sending."""
    return downstream_pb2.RecognitionUpdate(
        turn_id=turn_id, owner_epoch=epoch, endpoint_detected=endpoint_detected(endpoint)
    )


def endpoint_detected(endpoint: Endpoint) -> downstream_pb2.EndpointDetected:
    """Return that the utterance is over."""
    return downstream_pb2.EndpointDetected(
        end_of_speech_offset=_duration(endpoint.end_of_speech_offset), reason=_REASONS[endpoint.reason]
    )


def final_update(turn_id: TurnId, epoch: Epoch, best: Alternative) -> downstream_pb2.RecognitionUpdate:
    """Return what tells a device what was said."""
    return downstream_pb2.RecognitionUpdate(
        turn_id=turn_id,
        owner_epoch=epoch,
        final_transcript=downstream_pb2.FinalTranscript(transcript=best.transcript, confidence=best.confidence),
    )


def error_update(turn_id: TurnId, epoch: Epoch, error: EarshotError) -> downstream_pb2.RecognitionUpdate:
    """Return what tells a device that its utterance can't be recognised."""
    return downstream_pb2.RecognitionUpdate(turn_id=turn_id, owner_epoch=epoch, error=_error(error))


def device_error(error: EarshotError, turn_id: str = "") -> downstream_pb2.DeviceError:
    """Return what tells a device that something of it is refused, or could not even be read."""
    return downstream_pb2.DeviceError(turn_id=turn_id, error=_error(error))


def rejected(context: turn_pb2.TurnContext, outcome_id: str, error: EarshotError) -> outcome_pb2.Outcome:
    """Return the outcome of a turn that ends in silence because nobody may take it."""
    outcome = outcome_pb2.Outcome(
        outcome_id=outcome_id,
        turn=context,
        kind=outcome_pb2.OUTCOME_KIND_REJECTED,
        final=True,
        error=_error(error),
    )
    outcome.decide_time.GetCurrentTime()
    return outcome


def utterance_owned(taken: Taken, owner: str, *, ended: bool) -> events_pb2.UtteranceOwned:
    """Return what tells other workers of an utterance."""
    news = events_pb2.UtteranceOwned(
        household_id=taken.address.household,
        device_id=taken.address.device,
        turn_id=taken.turn_id,
        owner=owner,
        owner_epoch=taken.epoch,
        ended=ended,
        audio_bytes=taken.audio_bytes if ended else 0,
        start_sequence=taken.start,
    )
    news.begin_time.FromNanoseconds(int(taken.began_at * 1e9))
    return news


def final_result(result: Result) -> recognizer_pb2.FinalResult:
    """Return a result as a call's last message."""
    return recognizer_pb2.FinalResult(
        alternatives=[_alternative(alternative) for alternative in result.alternatives],
        rejection=_REJECTIONS[result.rejection],
        audio_duration=_duration(result.audio_duration),
        engine=result.engine,
    )


def engine_infos(capabilities: EngineCapabilities) -> list[recognizer_pb2.EngineInfo]:
    """Return an engine as the contract describes it: twice where some of its locales are experimental."""
    described = []
    for experimental in (False, True):
        locales = sorted(
            locale for locale in capabilities.locales if (locale in capabilities.experimental) is experimental
        )
        if locales:
            info = recognizer_pb2.EngineInfo(
                name=capabilities.name,
                revision=capabilities.revision,
                locales=locales,
                interim_results=capabilities.interim_results,
                dynamic_vocabulary=capabilities.dynamic_vocabulary,
                experimental=experimental,
            )
            described.append(info)
    return described


def _alternative(alternative: Alternative) -> events_pb2.Alternative:
    return events_pb2.Alternative(
        transcript=alternative.transcript,
        confidence=alternative.confidence,
        words=[
            events_pb2.WordInfo(
                word=word.text,
                start_offset=_duration(word.start_offset),
                end_offset=_duration(word.end_offset),
                confidence=word.confidence,
            )
            for word in alternative.words
        ],
    )


def _error(error: EarshotError) -> error_pb2.Error:
    return error_pb2.Error(
        code=error.code, message=str(error)[:500], retryable=error.retryable, stage=error.stage or "asr"
    )


def _duration(seconds: float) -> duration_pb2.Duration:
    message = duration_pb2.Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def _timestamp(moment: datetime) -> timestamp_pb2.Timestamp:
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message
