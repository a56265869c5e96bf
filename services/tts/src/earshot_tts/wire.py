"""Protobuf to the service's values and back: the only module that knows both."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from earshot.common.v1 import audio_pb2, error_pb2, turn_pb2
from earshot.device.v1 import downstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot.tts.v1 import synthesizer_pb2
from earshot_audio import Encoding, Format, UnsupportedFormatError
from earshot_chassis.errors import EarshotError
from earshot_topology.subjects import DeviceAddress, InvalidTokenError, token, turn_of
from earshot_tts.captured import CapturedFrame
from earshot_tts.engines.base import EngineCapabilities
from earshot_tts.errors import SpeechError
from earshot_tts.requests import DEFAULT_FORMAT, FILLER, OutcomeId, SpeechRequest, Text, TurnId

_ENCODINGS = {
    audio_pb2.AUDIO_ENCODING_LINEAR16: Encoding.LINEAR16,
    audio_pb2.AUDIO_ENCODING_OPUS: Encoding.OPUS,
}
_WIRE_ENCODINGS = {ours: theirs for theirs, ours in _ENCODINGS.items()}
_HEARD = {outcome_pb2.OUTCOME_KIND_ANSWERED, outcome_pb2.OUTCOME_KIND_APOLOGISED}
_OUTCOME_TOKENS = 5


def audio_format(message: audio_pb2.AudioFormat) -> Format:
    """Return a format; the default one where none is set.

    Raises:
        SpeechError: unsupported_encoding, unsupported_sample_rate, unsupported_channel_count.
    """
    if message == audio_pb2.AudioFormat():
        return DEFAULT_FORMAT
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        raise SpeechError(f"unknown audio encoding {message.encoding}", code="unsupported_encoding")
    try:
        return Format(
            encoding=encoding,
            sample_rate_hertz=message.sample_rate_hertz,
            channel_count=message.channel_count or 1,
        )
    except UnsupportedFormatError as error:
        raise SpeechError(str(error), code=error.code) from error


def format_message(ours: Format) -> audio_pb2.AudioFormat:
    """Return a format as a message."""
    return audio_pb2.AudioFormat(
        encoding=_WIRE_ENCODINGS[ours.encoding],
        sample_rate_hertz=ours.sample_rate_hertz,
        channel_count=ours.channel_count,
    )


def is_heard(outcome: outcome_pb2.Outcome) -> bool:
    """Return whether an outcome is one that is spoken."""
    return outcome.kind in _HEARD and outcome.turn.modality == turn_pb2.MODALITY_VOICE


def speaks(outcome: outcome_pb2.Outcome) -> bool:
    """Return whether a segment has words of its own."""
    return is_heard(outcome) and bool(outcome.prompts)


def outcome_address(subject: str) -> DeviceAddress:
    """Read the device from turn.outcome.<household>.<device>.<turn>.

    Raises:
        SpeechError: invalid_subject: it is none.
    """
    parts = subject.split(".")
    if len(parts) != _OUTCOME_TOKENS:
        raise SpeechError("not an outcome's subject", code="invalid_subject")
    try:
        return DeviceAddress(token(parts[2]), token(parts[3]))
    except InvalidTokenError as error:
        raise SpeechError(str(error), code="invalid_subject") from error


def speech_request(outcome: outcome_pb2.Outcome, subject: str, owner_epoch: int) -> SpeechRequest:
    """Return a segment that is heard as a request.

    Raises:
        SpeechError: Its format is unsupported, or the subject is not an outcome's.
    """
    return SpeechRequest(
        address=outcome_address(subject),
        turn_id=TurnId(turn_of(subject)),
        outcome_id=OutcomeId(outcome.outcome_id),
        segment_index=outcome.segment_index,
        final=outcome.final,
        owner_epoch=owner_epoch,
        texts=tuple(_text(prompt, outcome.turn) for prompt in outcome.prompts),
        audio_format=audio_format(outcome.turn.playback_format),
    )


def filler_request(filler: outcome_pb2.FillerRequested) -> SpeechRequest:
    """Return a filler as a request.

    Raises:
        SpeechError: Its format is unsupported, or an id is none (invalid_id).
    """
    turn = filler.turn
    try:
        address = DeviceAddress(token(turn.household_id), token(turn.device_id))
        turn_id = TurnId(token(turn.turn_id))
    except InvalidTokenError as error:
        raise SpeechError(str(error), code="invalid_id") from error
    return SpeechRequest(
        address=address,
        turn_id=turn_id,
        outcome_id=FILLER,
        segment_index=0,
        final=True,
        owner_epoch=1,
        texts=(_text(filler.prompt, turn),),
        audio_format=audio_format(turn.playback_format),
    )


def _text(prompt: outcome_pb2.Prompt, turn: turn_pb2.TurnContext) -> Text:
    return Text(text=prompt.text, locale=prompt.locale or turn.locale)


class FrameWriter:
    """Serialises the frames of one request; one message is filled again and again, as there are fifty a second."""

    def __init__(self, request: SpeechRequest) -> None:
        self._final = request.final
        self._frame = downstream_pb2.SpeechFrame(
            turn_id=request.turn_id,
            outcome_id=request.outcome_id,
            segment_index=request.segment_index,
            owner_epoch=request.owner_epoch,
            format=format_message(request.audio_format),
        )

    def write(self, sequence: int, payload: bytes, duration_s: float, *, last: bool) -> bytes:
        """Return one frame's bytes; `last`: of the segment."""
        frame = self._frame
        frame.sequence = sequence
        frame.payload = payload
        frame.duration.nanos = round(duration_s * 1e9)
        frame.segment_last = last
        frame.last = last and self._final
        return frame.SerializeToString()


def captured_frame(payload: bytes) -> CapturedFrame:
    """Read a captured frame.

    Raises:
        SpeechError: malformed_frame: it is none.
    """
    try:
        frame = downstream_pb2.SpeechFrame.FromString(payload)
    except DecodeError as error:
        raise SpeechError("a captured frame can't be read", code="malformed_frame") from error
    return CapturedFrame(
        outcome_id=OutcomeId(frame.outcome_id),
        segment_index=frame.segment_index,
        sequence=frame.sequence,
        owner_epoch=frame.owner_epoch,
        segment_last=frame.segment_last,
        encoded=payload,
    )


def device_error(turn_id: TurnId, error: EarshotError) -> downstream_pb2.DeviceError:
    """Return an error as a device hears of it."""
    return downstream_pb2.DeviceError(
        turn_id=turn_id,
        error=error_pb2.Error(code=error.code, message=str(error), retryable=error.retryable, stage=error.stage),
    )


def synthesize_response(
    payload: bytes, response_format: audio_pb2.AudioFormat, duration_s: float, sentence_index: int
) -> synthesizer_pb2.SynthesizeResponse:
    """Return a frame as gRPC carries it."""
    return synthesizer_pb2.SynthesizeResponse(
        audio=payload,
        format=response_format,
        duration=Duration(nanos=round(duration_s * 1e9)),
        sentence_index=sentence_index,
    )


def phonemize_response(words: list[str], phonemes: list[list[str]]) -> synthesizer_pb2.PhonemizeResponse:
    """Return pronunciations in the order of the words."""
    return synthesizer_pb2.PhonemizeResponse(
        pronunciations=[
            synthesizer_pb2.Pronunciation(word=word, phonemes=found)
            for word, found in zip(words, phonemes, strict=True)
        ]
    )


def list_voices_response(capabilities: EngineCapabilities) -> synthesizer_pb2.ListVoicesResponse:
    """Return an engine's voices."""
    return synthesizer_pb2.ListVoicesResponse(
        voices=[
            synthesizer_pb2.Voice(
                name=voice.name,
                engine=capabilities.name,
                revision=capabilities.revision,
                locales=voice.locales,
                sample_rate_hertz=voice.sample_rate_hertz,
                deterministic=capabilities.deterministic,
            )
            for voice in capabilities.voices
        ]
    )
