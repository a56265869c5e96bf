"""The device side of the bus: frames out by core NATS, captured frames and earlier segments back from their streams."""

from __future__ import annotations

from collections.abc import Sequence

from nats.aio.client import Client
from nats.errors import Error as NatsError

from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.errors import RetryableError
from earshot_tts import wire
from earshot_tts.captured import CapturedFrame
from earshot_tts.direct import read_subject
from earshot_tts.errors import STAGE
from earshot_tts.framing import duration_s
from earshot_tts.requests import SpeechRequest

SPEECH_STREAM = "SPEECH"
OUTCOMES_STREAM = "OUTCOMES"


class BusUnavailableError(RetryableError):
    """Frames can't be sent at the moment."""

    code = "bus_unavailable"
    stage = STAGE


class BusFrameSender:
    """Sends one request's frames, without headers or spans: at most once, and captured.

    Args:
        client: Connected client.
        request: Whose frames.
        frame_ms: Length of a frame.
    """

    def __init__(self, client: Client, request: SpeechRequest, frame_ms: int) -> None:
        self._client = client
        self._subject = request.address.speech(request.turn_id)
        self._format = request.audio_format
        self._frame_ms = frame_ms
        self._writer = wire.FrameWriter(request)

    async def send(self, sequence: int, payload: bytes, *, last: bool) -> float:
        """Send one frame; return its length in seconds.

        Raises:
            BusUnavailableError: The connection is lost and its buffer is full.
        """
        seconds = duration_s(payload, self._format, self._frame_ms)
        try:
            await self._client.publish(self._subject, self._writer.write(sequence, payload, seconds, last=last))
        except (NatsError, OSError) as error:
            raise BusUnavailableError(f"a frame could not be sent: {type(error).__name__}") from error
        return seconds


class SpeechCapture:
    """Reads the captured frames of one turn, each one once."""

    def __init__(self, client: Client, request: SpeechRequest) -> None:
        self._client = client
        self._subject = request.address.speech(request.turn_id)
        self._next = 1

    async def read(self) -> Sequence[CapturedFrame]:
        """Return the frames that have been captured since the last call.

        Raises:
            RetryableError: The stream can't be read.
        """
        messages = await read_subject(self._client, SPEECH_STREAM, self._subject, from_sequence=self._next)
        if messages:
            self._next = messages[-1].sequence + 1
        return [wire.captured_frame(message.payload) for message in messages]


class OutcomeSegments:
    """Reads the segments of an outcome from where they were claimed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def speaking_before(self, request: SpeechRequest) -> Sequence[int]:
        """Return the indices of the segments before the request's that have words.

        Raises:
            RetryableError: The stream can't be read.
        """
        subject = request.address.turn_outcome(request.turn_id)
        messages = await read_subject(self._client, OUTCOMES_STREAM, subject)
        segments = [outcome_pb2.Outcome.FromString(message.payload) for message in messages]
        return [
            segment.segment_index
            for segment in segments
            if segment.outcome_id == request.outcome_id
            and segment.segment_index < request.segment_index
            and wire.speaks(segment)
        ]
