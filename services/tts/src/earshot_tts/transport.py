"""The device side of the bus: frames out by core NATS, captured frames and earlier segments back from their streams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from nats.aio.client import Client
from nats.errors import Error as NatsError

from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis import telemetry
from earshot_chassis.errors import LeaseLostError, RetryableError
from earshot_tts import wire
from earshot_tts.captured import CapturedFrame
from earshot_tts.direct import count_subject, read_subject
from earshot_tts.errors import STAGE
from earshot_tts.framing import duration_s
from earshot_tts.requests import FILLER, SpeechRequest

SPEECH_STREAM = "SPEECH"
OUTCOMES_STREAM = "OUTCOMES"
# As long as the election of a stream's leader takes at most; a frame that is older than that nobody waits for.
_CONFIRM_S: Final = 9.0
_ASK_S: Final = 1.0
_PAUSE_S: Final = 0.1
_log = telemetry.logger("tts")


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
        self._check_owned = request.check_owned
        self._request = request
        self._sent: dict[int, bytes] = {}
        self._connection = client.stats["reconnects"]
        self._lost_some = False
        self._mend_at = 0.0

    async def send(self, sequence: int, payload: bytes, *, last: bool) -> float:
        """Send one frame; return its length in seconds.

        Raises:
            BusUnavailableError: The connection is lost and its buffer is full.
            LeaseLostError: This process was frozen, and another worker speaks the segment.
        """
        self._check_owned()
        if self._client.stats["reconnects"] != self._connection:
            self._connection, self._lost_some = self._client.stats["reconnects"], bool(self._sent)
            await self._mend(otherwise=list(self._sent.values()))
        elif self._lost_some:
            await self._mend()
        seconds = duration_s(payload, self._format, self._frame_ms)
        self._sent[sequence] = self._writer.write(sequence, payload, seconds, last=last)
        await self._publish(self._sent[sequence])
        return seconds

    async def confirm(self) -> None:
        """Wait until every frame that was sent is captured, and send again what is not; at most for some seconds.

        A frame that leaves while a node of the bus dies reaches neither the device nor the capture: nobody could give it
        back to the device later. While the capture itself is away, everything goes again, once: the device knows what it
        has.

        Raises:
            BusUnavailableError: The connection is lost and its buffer is full.
            LeaseLostError: This process was frozen, and another worker speaks the segment, or has spoken it.
        """
        if not self._sent or self._request.outcome_id == FILLER:
            return
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _CONFIRM_S
        again = list(self._sent.values())
        while loop.time() < give_up:
            try:
                count = await count_subject(self._client, SPEECH_STREAM, self._subject, timeout_s=_ASK_S)
                if count == max(self._sent) + 1:
                    # Every frame of the outcome, once; where others have sent some, too, it matters who.
                    return
                missing = await self._missing()
                if not missing:
                    return
            except LeaseLostError:
                raise
            except (RetryableError, NatsError, OSError):
                missing, again = again, []
            self._check_owned()
            for encoded in missing:
                await self._publish(encoded)
            await asyncio.sleep(_PAUSE_S)
        _log.warning("frames_not_captured")

    async def _mend(self, otherwise: Sequence[bytes] = ()) -> None:
        """Send again what a lost server took with it, in the middle of a segment: the device will soon want to hear it.

        Args:
            otherwise: What to send while nobody can tell what is missing; asked again a moment later.
        """
        loop = asyncio.get_running_loop()
        if not otherwise and loop.time() < self._mend_at:
            return
        try:
            missing: Sequence[bytes] = await self._missing()
            self._lost_some = False
        except LeaseLostError:
            raise
        except (RetryableError, NatsError, OSError):
            missing = otherwise
        self._mend_at = loop.time() + _PAUSE_S
        for encoded in missing:
            await self._publish(encoded)

    async def _missing(self) -> list[bytes]:
        """Return what is not captured.

        Raises:
            LeaseLostError: Another worker has taken the segment over: a process that was frozen takes what had come before
                for its own. The device refuses these frames; an acknowledgement would settle them for the other one, too.
        """
        request = self._request
        messages = await read_subject(self._client, SPEECH_STREAM, self._subject, timeout_s=_ASK_S)
        captured = [wire.captured_frame(message.payload) for message in messages]
        theirs = [frame for frame in captured if frame.outcome_id == request.outcome_id]
        if any(
            frame.segment_index == request.segment_index and frame.owner_epoch > request.owner_epoch for frame in theirs
        ):
            raise LeaseLostError("another worker speaks the segment")
        there = {frame.sequence for frame in theirs}
        return [encoded for sequence, encoded in self._sent.items() if sequence not in there]

    async def _publish(self, encoded: bytes) -> None:
        try:
            await self._client.publish(self._subject, encoded)
        except (NatsError, OSError) as error:
            raise BusUnavailableError(f"a frame could not be sent: {type(error).__name__}") from error


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
