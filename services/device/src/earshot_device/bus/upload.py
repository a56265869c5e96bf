"""The way of one utterance to the cloud: encode, keep, pace, send, and send again what was lost.

Frames go out once, unacknowledged. They are kept in the ring until the turn has its outcome, and three things make the
device send some again: a new connection (whatever was in flight is gone), an acknowledgement that stands still a second
behind, and silence from the cloud after the end. In each case it asks how far the capture has come, and goes on there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from earshot_audio import Format, FrameEncoder, Resampler
from earshot_chassis import telemetry
from earshot_device.bus import wire
from earshot_device.bus.link import Link
from earshot_device.core.capture import CapturedFrame, CaptureRing
from earshot_device.core.ids import TurnId
from earshot_device.errors import MalformedMessageError
from earshot_device.identity import Identity
from earshot_device.sound.pacing import Pacer
from earshot_device.sound.sources import AudioSource

FRAME_MS = 40
_STUCK_FRAMES = 1000 // FRAME_MS
_ASK_TIMEOUT_S = 0.5
_ASK_ATTEMPTS = 4
_QUIET_S = 1.5
_IN_FLIGHT_FRAMES = 5
_RESEND_BATCH = 50

_log = telemetry.logger("device.upload")


class Upload:
    """One utterance on its way up.

    Args:
        link: The connection.
        identity: Who sends.
        turn_id: The utterance.
        audio_format: Format of its frames.
        ring: Where they are kept.
        pacer: Pace of a source that is not live.
        trailing_s: How much silence follows a finite source while the cloud finds no endpoint; then the device ends
            the utterance itself.
        limit_s: Longest utterance; the device ends it there.
    """

    def __init__(
        self,
        link: Link,
        identity: Identity,
        *,
        turn_id: TurnId,
        audio_format: Format,
        ring: CaptureRing,
        pacer: Pacer,
        trailing_s: float,
        limit_s: float,
    ) -> None:
        self._link = link
        self._address = identity.address
        self._subject = identity.address.audio(turn_id)
        self._turn_id = turn_id
        self._format = audio_format
        self._encoder = FrameEncoder(audio_format, FRAME_MS)
        self._ring = ring
        self._pacer = pacer
        self._trailing_s = trailing_s
        self._limit_frames = max(1, int(limit_s * 1000 / FRAME_MS))
        self._stopped = asyncio.Event()
        self._sent_at: list[float] = []
        self._stuck_at = -1
        self._resending = asyncio.Lock()
        self._finished = False
        self.resent_count = 0

    @property
    def duration_s(self) -> float:
        """How much audio there has been."""
        return self._ring.next_sequence * FRAME_MS / 1000

    def stop(self) -> None:
        """Send nothing new: the cloud has its endpoint, or the turn is over."""
        self._stopped.set()

    def moment_of(self, offset_s: float) -> float | None:
        """Return when (loop time) the sound at an offset was heard; None if nothing was sent."""
        if not self._sent_at:
            return None
        frame_s = FRAME_MS / 1000
        index = min(int(offset_s / frame_s), len(self._sent_at) - 1)
        remaining = max(0.0, (index + 1) * frame_s - offset_s)
        return self._sent_at[index] - remaining / self._pacer.speed

    async def run(self, source: AudioSource) -> None:
        """Send the source until it is stopped, then return; the last frame is marked if the device ended it."""
        try:
            await self._run(source)
        finally:
            self._finished = True

    async def _run(self, source: AudioSource) -> None:
        resampler = Resampler(source.rate, self._format.sample_rate_hertz)
        async with aclosing(self._sound(source)) as sound:  # type: ignore[type-var]
            async for block, paced in sound:
                for payload in self._encoder.encode(resampler.process(block)):
                    if paced:
                        await self._pacer.wait(FRAME_MS / 1000)
                    if self._stopped.is_set():
                        return
                    over = self._ring.next_sequence + 1 >= self._limit_frames
                    await self._send(self._ring.append(payload, last=over))
                    if over:
                        return
        if not self._stopped.is_set():
            # At least one frame has to carry `last`, and no frame is empty.
            silence = source.silence(source.rate * FRAME_MS // 1000)
            ending = np.concatenate([resampler.process(silence), resampler.flush()])
            tail = [*self._encoder.encode(ending), *self._encoder.flush()]
            for number, payload in enumerate(tail, 1):
                await self._send(self._ring.append(payload, last=number == len(tail)))

    async def _sound(self, source: AudioSource) -> AsyncIterator[tuple[NDArray[np.int16], bool]]:
        stopped = asyncio.create_task(self._stopped.wait())
        blocks = source.blocks()
        try:
            while True:
                following = asyncio.ensure_future(anext(blocks, None))
                await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
                    return
                block = following.result()
                if block is None:
                    break
                yield block, not source.live
            if not source.live:
                frame = source.rate * FRAME_MS // 1000
                for _ in range(int(self._trailing_s * 1000 / FRAME_MS)):
                    yield source.silence(frame), True
        finally:
            stopped.cancel()
            if hasattr(blocks, "aclose"):
                await blocks.aclose()

    async def _send(self, frame: CapturedFrame) -> None:
        self._sent_at.append(asyncio.get_running_loop().time())
        await self._link.send(self._subject, wire.audio_frame(self._turn_id, frame))

    def acknowledged(self, next_sequence: int) -> bool:
        """Take an acknowledgement; return whether it stands still so far behind that frames must have been lost."""
        behind = self._ring.next_sequence - next_sequence > _STUCK_FRAMES
        stuck = behind and next_sequence == self._stuck_at
        self._stuck_at = next_sequence
        self._ring.acknowledge(next_sequence)
        return stuck

    async def resend(self) -> None:
        """Ask how far the cloud's capture has come and send again from there.

        Nobody may be able to tell (the servers that could are the ones that were lost): then everything that is still
        kept and not acknowledged goes again.
        """
        if self._resending.locked():
            return
        async with self._resending:
            begin = await self._upload_status()
            frames = self._ring.since(self._ring.acknowledged if begin is None else begin)
            for number, frame in enumerate(frames, 1):
                await self._link.send(self._subject, wire.audio_frame(self._turn_id, frame))
                self.resent_count += 1
                if number % _RESEND_BATCH == 0:
                    # Let live frames through.
                    await asyncio.sleep(0)
            if frames:
                _log.info("upload_resent", frames=len(frames))

    async def _upload_status(self) -> int | None:
        request = wire.upload_status_request(self._turn_id)
        for _ in range(_ASK_ATTEMPTS):
            reply = await self._link.ask(self._address.resume(), request, timeout_s=_ASK_TIMEOUT_S)
            if reply is not None:
                try:
                    return wire.upload_next_sequence(reply)
                except MalformedMessageError:
                    return None
            if not self._link.connected:
                return None
            await asyncio.sleep(_ASK_TIMEOUT_S / 2)
        return None

    async def check(self, heard: asyncio.Event) -> None:
        """Wait until the cloud has said nothing for a while or something; after silence, see whether it has everything.

        Args:
            heard: Set whenever the cloud says something; cleared here.
        """
        heard.clear()
        try:
            async with asyncio.timeout(_QUIET_S):
                await heard.wait()
        except TimeoutError:
            await self.check_once()

    async def check_once(self) -> None:
        """Ask how far the cloud's capture has come, and send again what it lacks; frames in flight don't count."""
        begin = await self._upload_status()
        if begin is not None and self._ring.next_sequence - begin > (0 if self._finished else _IN_FLIGHT_FRAMES):
            await self.resend()
