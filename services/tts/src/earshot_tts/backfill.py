"""Sends captured frames again to a device that missed them. Any worker can: everything it needs is in the capture.

The copies go out on the speech subject and so are captured a second time; `captured` knows how to read that.
"""

from __future__ import annotations

from dataclasses import dataclass

from nats.aio.client import Client

from earshot.device.v1 import upstream_pb2
from earshot_chassis import telemetry
from earshot_topology.subjects import DeviceAddress, InvalidTokenError, token
from earshot_tts import wire
from earshot_tts.captured import CapturedFrame, CapturedOutcome
from earshot_tts.direct import read_subject
from earshot_tts.errors import SpeechError
from earshot_tts.requests import OutcomeId
from earshot_tts.transport import SPEECH_STREAM

SUBJECT = "device.*.*.up.backfill"
QUEUE = "tts"
_RESENT = telemetry.counter("earshot.tts.backfilled_frames", "Frames that were sent again.")


@dataclass(frozen=True, slots=True)
class Backfill:
    """What can be sent again, in order, and whether something that was asked for is gone."""

    frames: tuple[CapturedFrame, ...]
    truncated: bool


def choose(captured: CapturedOutcome, from_sequence: int, to_sequence: int) -> Backfill:
    """Return the frames from one sequence up to, not including, another; 0: all there are.

    Frames above the highest captured one are not missing: they have not been sent yet.
    """
    frames = captured.frames
    end = min(to_sequence or captured.next_sequence, captured.next_sequence)
    wanted = [frames[sequence] for sequence in range(from_sequence, end) if sequence in frames]
    return Backfill(tuple(wanted), truncated=not frames or len(wanted) < end - from_sequence)


class BackfillResponder:
    """Answers BackfillRequest."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def answer(self, request: upstream_pb2.BackfillRequest, subject: str) -> upstream_pb2.BackfillResponse:
        """Send frames again, then say how many.

        Raises:
            SpeechError: invalid_id: the request's ids are none.
            RetryableError: The capture can't be read.
        """
        try:
            speech = DeviceAddress.of(subject).speech(token(request.turn_id))
        except InvalidTokenError as error:
            raise SpeechError(str(error), code="invalid_id") from error
        captured = CapturedOutcome(OutcomeId(request.outcome_id))
        messages = await read_subject(self._client, SPEECH_STREAM, speech)
        captured.add(wire.captured_frame(message.payload) for message in messages)
        found = choose(captured, request.from_sequence, request.to_sequence)
        for frame in found.frames:
            await self._client.publish(speech, frame.encoded)
        _RESENT.add(len(found.frames))
        return upstream_pb2.BackfillResponse(frame_count=len(found.frames), truncated=found.truncated)
