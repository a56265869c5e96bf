"""A cloud written by hand for the device's tests: hears everything a device sends, and says what the test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from nats.aio.client import Client
from nats.aio.msg import Msg

from earshot.common.v1 import audio_pb2, turn_pb2
from earshot.device.v1 import directive_pb2, downstream_pb2, upstream_pb2
from earshot.dialogue.v1 import outcome_pb2
from earshot_device import Device
from earshot_topology.subjects import DeviceAddress

FRAME_MS = 40


class FakeCloud:
    """Every service of the cloud at once, for one device.

    Frames of audio are kept by turn as they come; `missing` holds sequences that this cloud pretends not to have got.
    Events, starts and requests are kept too. Nothing is answered unless the test says so, except for requests: what was
    missed is `missed`, or refused with the code `refuses_missed`, and announcements are answered if `announces`, or refused
    with the code `refuses_announcements`.
    """

    def __init__(self, client: Client, address: DeviceAddress, *, rate: int = 24_000) -> None:
        self.client = client
        self.address = address
        self.rate = rate
        self.starts: list[tuple[upstream_pb2.UtteranceStarted, dict[str, str]]] = []
        self.frames: dict[str, dict[int, upstream_pb2.AudioFrame]] = {}
        self.events: list[upstream_pb2.DeviceEvent] = []
        self.event_headers: list[dict[str, str]] = []
        self.backfills: list[upstream_pb2.BackfillRequest] = []
        self.status_requests: list[str] = []
        self.outcome_requests: list[str] = []
        self.everything: list[bytes] = []
        self.missing: set[int] = set()
        self.captured: dict[int, downstream_pb2.SpeechFrame] = {}
        self.answers_requests = True
        self.dismissals: list[str] = []
        self.missed: list[directive_pb2.Directive] = []
        self.missed_requests = 0
        self.refuses_missed = ""
        self.announces = False
        self.refuses_announcements = ""
        self.announcements: list[upstream_pb2.AnnouncementRequest] = []
        self.on_outcome_request: Callable[[str], object] | None = None
        self._fences = 0
        self._known: set[str] = set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Listen to the device."""
        root = f"device.{self.address.household}.{self.address.device}.up"
        await self.client.subscribe(f"{root}.>", cb=self._hear)
        await self.client.flush()

    async def _hear(self, message: Msg) -> None:  # noqa: C901, PLR0912 - one case a subject
        self.everything.append(message.data + str(message.headers).encode())
        parts = message.subject.split(".")
        match parts[4]:
            case "started":
                start = upstream_pb2.UtteranceStarted.FromString(message.data)
                self.starts.append((start, dict(message.headers or {})))
            case "audio":
                frame = upstream_pb2.AudioFrame.FromString(message.data)
                if frame.sequence not in self.missing:
                    self.frames.setdefault(frame.turn_id, {})[frame.sequence] = frame
            case "event" | "ring":
                self._happened(message)
            case "directives":
                await self._resend(message)
            case "announce":
                self.announcements.append(upstream_pb2.AnnouncementRequest.FromString(message.data))
                if self.refuses_announcements:
                    refusal = {"error-code": self.refuses_announcements}
                    await self.client.publish(message.reply, b"", headers=refusal)
                elif self.announces:
                    await message.respond(upstream_pb2.AnnouncementResponse().SerializeToString())
            case "backfill":
                await self._backfill(message)
            case "resume":
                request = upstream_pb2.UploadStatusRequest.FromString(message.data)
                self.status_requests.append(request.turn_id)
                if self.answers_requests:
                    reply = upstream_pb2.UploadStatusResponse(next_sequence=self.next_sequence(request.turn_id))
                    await message.respond(reply.SerializeToString())
            case "fence":
                self._fences += 1
            case "outcome":
                asked = upstream_pb2.OutcomeStatusRequest.FromString(message.data)
                self.outcome_requests.append(asked.turn_id)
                if self.on_outcome_request is not None:
                    await self.on_outcome_request(asked.turn_id)  # type: ignore[misc]
                await message.respond(upstream_pb2.OutcomeStatusResponse(decided=False).SerializeToString())
        self._changed.set()

    def _happened(self, message: Msg) -> None:
        event = upstream_pb2.DeviceEvent.FromString(message.data)
        if event.event_id in self._known:
            return  # A slow acknowledgement made the device say it again.
        self._known.add(event.event_id)
        if message.subject == self.address.ring():
            self.dismissals.append(event.ring_dismissed.occurrence_id)
        else:
            self.events.append(event)
            self.event_headers.append(dict(message.headers or {}))

    async def _resend(self, message: Msg) -> None:
        self.missed_requests += 1
        if not self.answers_requests:
            return
        if self.refuses_missed:
            await self.client.publish(message.reply, b"", headers={"error-code": self.refuses_missed})
            return
        for directive in self.missed:
            await self.client.publish(self.address.directive(), directive.SerializeToString())
        reply = upstream_pb2.DirectivesResponse(directive_count=len(self.missed))
        await message.respond(reply.SerializeToString())

    async def _backfill(self, message: Msg) -> None:
        request = upstream_pb2.BackfillRequest.FromString(message.data)
        self.backfills.append(request)
        if not self.answers_requests:
            return
        end = request.to_sequence or max(self.captured, default=-1) + 1
        again = [self.captured[n] for n in range(request.from_sequence, end) if n in self.captured]
        for frame in again:
            await self.client.publish(self.address.speech(request.turn_id), frame.SerializeToString())
        await message.respond(upstream_pb2.BackfillResponse(frame_count=len(again)).SerializeToString())

    def next_sequence(self, turn_id: str) -> int:
        """Return the first frame of an utterance that is missing here."""
        have = self.frames.get(turn_id, {})
        return next(n for n in range(len(have) + 1) if n not in have)

    async def settled(self, device: Device) -> None:
        """Wait until every event of the device is stored, and heard here."""
        await device.settled()
        # Messages of one subscription come in order: behind this one nothing earlier is missing.
        fences = self._fences
        await self.client.publish(f"device.{self.address.household}.{self.address.device}.up.fence", b"")
        await self.until(lambda: self._fences > fences)

    async def until(self, ready: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait until something that was heard makes a condition true."""
        async with asyncio.timeout(timeout_s):
            while not ready():
                self._changed.clear()
                await self._changed.wait()

    async def turn_started(self, number: int = 1) -> str:
        """Wait for the nth utterance and return its turn id."""
        await self.until(lambda: len(self.starts) >= number)
        return self.starts[number - 1][0].turn_id

    async def audio(self, turn_id: str, count: int) -> None:
        """Wait for so many frames of an utterance."""
        await self.until(lambda: len(self.frames.get(turn_id, {})) >= count)

    async def event(self, kind: str, number: int = 1) -> upstream_pb2.DeviceEvent:
        """Wait for the nth event of a kind ("playback_started") and return it."""
        await self.until(lambda: len(self.of_kind(kind)) >= number)
        return self.of_kind(kind)[number - 1]

    def of_kind(self, kind: str) -> list[upstream_pb2.DeviceEvent]:
        """Return the events of a kind."""
        return [event for event in self.events if event.WhichOneof("event") == kind]

    # What the cloud says.

    async def recognise(self, turn_id: str, *, epoch: int = 1, **update: object) -> None:
        """Send a recognition update: one field of RecognitionUpdate by name."""
        message = downstream_pb2.RecognitionUpdate(turn_id=turn_id, owner_epoch=epoch, **update)  # type: ignore[arg-type]
        await self.client.publish(self.address.recognition(), message.SerializeToString())

    async def interim(self, turn_id: str, words: str, *, epoch: int = 1) -> None:
        """Send an interim transcript."""
        await self.recognise(
            turn_id, epoch=epoch, interim_transcript=downstream_pb2.InterimTranscript(transcript=words, stability=0.5)
        )

    async def endpoint(self, turn_id: str, *, seconds: float = 0.4, epoch: int = 1) -> None:
        """Say that the utterance is over."""
        detected = downstream_pb2.EndpointDetected(reason=downstream_pb2.ENDPOINT_REASON_SILENCE)
        detected.end_of_speech_offset.FromNanoseconds(int(seconds * 1e9))
        await self.recognise(turn_id, epoch=epoch, endpoint_detected=detected)

    async def final(self, turn_id: str, words: str, *, epoch: int = 1) -> None:
        """Send the final transcript."""
        await self.recognise(
            turn_id, epoch=epoch, final_transcript=downstream_pb2.FinalTranscript(transcript=words, confidence=0.9)
        )

    async def outcome(
        self,
        turn_id: str,
        *,
        outcome_id: str = "o1",
        text: str = "It is noon.",
        kind: outcome_pb2.OutcomeKind.ValueType = outcome_pb2.OUTCOME_KIND_ANSWERED,
        directives: tuple[directive_pb2.Directive, ...] = (),
        segment_index: int = 0,
        final: bool = True,
        expects_reply: bool = False,
        session_id: str = "s1",
    ) -> None:
        """Claim an outcome on JetStream; the server republishes it to the device."""
        message = outcome_pb2.Outcome(
            outcome_id=outcome_id,
            kind=kind,
            segment_index=segment_index,
            final=final,
            turn=turn_pb2.TurnContext(
                turn_id=turn_id,
                household_id=self.address.household,
                device_id=self.address.device,
                session_id=session_id,
            ),
            prompts=[outcome_pb2.Prompt(text=text, locale="en-US")] if text else [],
            directives=directives,
            expects_reply=expects_reply,
        )
        await self.client.jetstream().publish(self.address.turn_outcome(turn_id), message.SerializeToString())

    def speech(
        self, turn_id: str, count: int, *, outcome_id: str = "o1", first: int = 0, epoch: int = 1, segment: int = 0
    ) -> list[downstream_pb2.SpeechFrame]:
        """Return frames of speech whose samples tell their sequence, the last one marked; they count as captured."""
        frames = []
        for sequence in range(first, first + count):
            frame = downstream_pb2.SpeechFrame(
                turn_id=turn_id,
                outcome_id=outcome_id,
                segment_index=segment,
                sequence=sequence,
                owner_epoch=epoch,
                payload=samples_of(sequence, self.rate).tobytes(),
                format=audio_pb2.AudioFormat(
                    encoding=audio_pb2.AUDIO_ENCODING_LINEAR16, sample_rate_hertz=self.rate, channel_count=1
                ),
                last=sequence == first + count - 1,
                segment_last=sequence == first + count - 1,
            )
            frame.duration.FromMilliseconds(FRAME_MS)
            frames.append(frame)
            self.captured[sequence] = frame
        return frames

    async def speak(self, frames: list[downstream_pb2.SpeechFrame]) -> None:
        """Send frames to the device, in the order given."""
        for frame in frames:
            await self.client.publish(self.address.speech(frame.turn_id), frame.SerializeToString())
        await self.client.flush()

    async def direct(self, directive: directive_pb2.Directive) -> None:
        """Send a directive outside an outcome, and keep it for devices that miss it."""
        self.missed.append(directive)
        await self.client.publish(self.address.directive(), directive.SerializeToString())


def samples_of(sequence: int, rate: int = 24_000) -> np.ndarray:
    """Return the samples of a frame: its sequence + 1, throughout."""
    return np.full(rate * FRAME_MS // 1000, sequence + 1, np.int16)


def sequences_in(answer: np.ndarray, rate: int = 24_000) -> list[int]:
    """Read back which frames an answer was made of; -1 for one that was filled with silence."""
    size = rate * FRAME_MS // 1000
    return [int(answer[begin]) - 1 for begin in range(0, len(answer), size)]
