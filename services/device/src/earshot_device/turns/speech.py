"""Speaking an outcome: frames from the network to the loudspeaker, in order and on time.

A player is made when the turn is bound. Frames come in at any time; `play_segment` plays those of one segment. A gap is
asked for again while there is sound in hand; when the play head reaches it, playback waits a moment and then fills it
with silence. When nothing comes for `stall_s`, the speech is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earshot_audio import AudioError, Format, FrameDecoder, Resampler
from earshot_device.core.events import Position
from earshot_device.core.ids import OutcomeId
from earshot_device.core.mending import Mender, MendTimings
from earshot_device.core.outcome import SpeechFrame
from earshot_device.core.speech_buffer import Added, Gap, SpeechBuffer
from earshot_device.errors import SpeechLostError
from earshot_device.sound.output import Channel, Output
from earshot_device.tasks import end

Samples = NDArray[np.int16]
AskAgain = Callable[[Gap], Awaitable[None]]

_MEND_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechTimings:
    """Seconds.

    Attributes:
        lead_s: Sound in hand before playback begins, so that the first reordered frame is no gap.
        lead_limit_s: Wait no longer than this for it.
        gap_patience_s: How long playback waits at a gap before it fills it with silence.
        stall_s: Without a frame for this long, the speech is lost.
        first_s: Without a first frame for this long, likewise.
        mend: When to ask again.
    """

    lead_s: float = 0.06
    lead_limit_s: float = 0.08
    gap_patience_s: float = 0.4
    stall_s: float = 6.0
    first_s: float = 6.0
    mend: MendTimings = field(default_factory=MendTimings)


class SpeechPlayer:
    """Plays the speech of one outcome.

    Args:
        outcome_id: The outcome; empty for a filler.
        output: The loudspeaker.
        ask_again: Requests frames that are missing; must not raise.
        timings: See there.
        started: Called when the first frame is about to be heard.
        channel: As what it sounds.
    """

    def __init__(
        self,
        outcome_id: OutcomeId,
        output: Output,
        *,
        ask_again: AskAgain,
        timings: SpeechTimings,
        started: Callable[[], None],
        channel: Channel = Channel.TURN,
    ) -> None:
        self.outcome_id = outcome_id
        self.first_received_at: float | None = None
        self.first_played_at: float | None = None
        self.position: Position | None = None
        self.malformed_count = 0
        self._buffer = SpeechBuffer(outcome_id)
        self._output = output
        self._ask_again = ask_again
        self._timings = timings
        self._started = started
        self._channel = channel
        self._arrived = asyncio.Event()
        self._arrived_at = 0.0
        self._played: list[Samples] = []
        self._gap_since: float | None = None
        self._decoder: FrameDecoder | None = None
        self._resampler: Resampler | None = None
        self._mending: asyncio.Task[None] | None = None

    @property
    def finished(self) -> bool:
        """Whether the last frame has been heard."""
        return self._buffer.finished

    @property
    def concealed_count(self) -> int:
        """Frames that were filled with silence."""
        return self._buffer.concealed_count

    @property
    def frame_count(self) -> int:
        """Frames that arrived."""
        return self._buffer.received_count

    def played(self) -> Samples:
        """Return what was heard so far, shape (n,), at the output's rate and before its volume."""
        return np.concatenate(self._played) if self._played else np.empty(0, np.int16)

    def receive(self, frame: SpeechFrame) -> Added:
        """Take a frame from the network."""
        verdict = self._buffer.add(frame)
        if verdict is Added.NEW:
            now = asyncio.get_running_loop().time()
            self.first_received_at = self.first_received_at or now
            self._arrived_at = now
            self._arrived.set()
        return verdict

    async def play_segment(self, index: int) -> None:
        """Play until the segment is over; returns at once if a later one has begun.

        Raises:
            SpeechLostError: Its frames stopped coming.
        """
        loop = asyncio.get_running_loop()
        if self._mending is None:
            self._mending = asyncio.create_task(self._mend(), name="device-mend")
        self._arrived_at = max(self._arrived_at, loop.time())
        await self._lead()
        starved_since: float | None = None
        while not self._buffer.finished:
            frame = self._buffer.peek()
            if frame is None:
                starved_since = starved_since or loop.time()
                await self._starve(starved_since)
                continue
            starved_since = self._gap_since = None
            if frame.segment_index > index:
                return
            self._buffer.take()
            await self._play(frame)
            if frame.segment_last or frame.last:
                return

    async def stop(self) -> None:
        """Ask for nothing more."""
        await end(self._mending)
        self._mending = None

    async def _lead(self) -> None:
        if self.first_played_at is not None:
            return
        loop = asyncio.get_running_loop()
        while self._buffer.ready_s < self._timings.lead_s and not self._buffer.complete:
            if self.first_received_at is None:
                left = self._arrived_at + self._timings.first_s - loop.time()
                if left <= 0:
                    raise SpeechLostError("the answer's frames never came")
            else:
                left = self.first_received_at + self._timings.lead_limit_s - loop.time()
            if left <= 0:
                return
            await self._wait(left)

    async def _starve(self, since: float) -> None:
        now = asyncio.get_running_loop().time()
        if next(self._buffer.gaps(), None) is not None:
            # Patience begins with the gap: where nothing came for a while, what is missing can only be asked for now.
            self._gap_since = self._gap_since or now
        if self._gap_since is not None and now >= self._gap_since + self._timings.gap_patience_s:
            await self._write(np.zeros(int(self._buffer.conceal() * self._output.rate), np.int16))
            return
        if now >= max(self._arrived_at, since) + self._timings.stall_s:
            raise SpeechLostError("the answer's frames stopped coming")
        await self._wait(_MEND_INTERVAL_S)

    async def _wait(self, seconds: float) -> None:
        self._arrived.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._arrived.wait()

    async def _play(self, frame: SpeechFrame) -> None:
        samples = self._decode(frame)
        if self.first_played_at is None and len(samples):
            self.first_played_at = asyncio.get_running_loop().time()
            self._started()
        await self._write(samples)
        self.position = Position(
            outcome_id=self.outcome_id, segment_index=frame.segment_index, frame_sequence=frame.sequence
        )

    async def _write(self, samples: Samples) -> None:
        if len(samples):
            self._played.append(samples)
            await self._output.write(self._channel, samples)

    def _decode(self, frame: SpeechFrame) -> Samples:
        # A frame that only says "last" has no payload.
        if not frame.payload or frame.format is None:
            return np.empty(0, np.int16)
        decoder, resampler = self._codec(frame.format)
        try:
            return resampler.process(decoder.decode(frame.payload))
        except AudioError:
            self.malformed_count += 1
            return np.zeros(int(frame.duration_s * self._output.rate), np.int16)

    def _codec(self, audio_format: Format) -> tuple[FrameDecoder, Resampler]:
        if self._decoder is None or self._resampler is None or self._decoder.format != audio_format:
            self._decoder = FrameDecoder(audio_format)
            self._resampler = Resampler(audio_format.sample_rate_hertz, self._output.rate)
        return self._decoder, self._resampler

    async def _mend(self) -> None:
        loop = asyncio.get_running_loop()
        mender = Mender(self._buffer, self._timings.mend, now=loop.time())
        while not self._buffer.complete:
            wanted = mender.next_request(loop.time())
            if wanted is not None:
                await self._ask_again(wanted)
            await asyncio.sleep(_MEND_INTERVAL_S)
