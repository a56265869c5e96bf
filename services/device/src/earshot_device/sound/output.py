"""The loudspeaker as the device's parts share it.

One sound at a time, by priority: a turn silences everything else from its first sample to its end, the announcement of
a ring silences ringing and media, ringing silences media. A channel that is silenced waits where it is; it does not lose its place. Everything is paced here, so that what
has been written has been heard, and the volume applies to everything.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from earshot_chassis import telemetry
from earshot_device.sound.pacing import REAL_TIME, Pacer
from earshot_device.sound.sinks import Sink

_log = telemetry.logger("device.output")

DEFAULT_VOLUME = 50
_LOUDEST = 100


class Channel(IntEnum):
    """Who makes sound; the higher one is heard."""

    MEDIA = 0
    RING = 1
    ANNOUNCEMENT = 2
    TURN = 3


class Output:
    """Plays one channel at a time into a sink.

    Args:
        sink: Where sound goes.
        rate: Samples a second of everything that is written.
        speed: Seconds of sound a second; see `Pacer`.
    """

    def __init__(self, sink: Sink, *, rate: int, speed: float = REAL_TIME) -> None:
        self.rate = rate
        self.volume_percent = DEFAULT_VOLUME
        self.muted = False
        self._sink = sink
        self._pacer = Pacer(speed)
        self._holders: Counter[Channel] = Counter()
        self._paused: set[Channel] = set()
        self._changed = asyncio.Condition()
        self._writing = asyncio.Lock()
        self._waking: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open the sink.

        Raises:
            AudioOutputError: There is nothing to play on.
        """
        await self._sink.open(self.rate)

    async def close(self) -> None:
        """Close the sink."""
        await self._sink.close()

    @contextmanager
    def hold(self, channel: Channel) -> Iterator[None]:
        """Silence every lower channel for a while."""
        self._holders[channel] += 1
        try:
            yield
        finally:
            self._holders[channel] -= 1
            self._wake()

    def pause(self, channel: Channel) -> None:
        """Make a channel wait, at once and until `resume`."""
        self._paused.add(channel)

    def resume(self, channel: Channel) -> None:
        """Let a channel go on."""
        self._paused.discard(channel)
        self._wake()

    def change_volume(self, *, percent: int | None, delta: int | None) -> None:
        """Set the volume, or change it; limited to 0 to 100."""
        wanted = percent if percent is not None else self.volume_percent + (delta or 0)
        self.volume_percent = min(_LOUDEST, max(0, wanted))

    async def write(self, channel: Channel, samples: NDArray[np.int16]) -> None:
        """Play samples, shape (n,); returns when they have been heard. Waits while a higher one is held, or this one paused."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._is_free(channel))
            async with self._writing:
                if not self._is_free(channel):
                    continue
                await self._sink.write(self._at_volume(samples))
                await self._pacer.wait(len(samples) / self.rate)
                return

    async def discard(self, channel: Channel) -> None:
        """Silence at once what a channel has still on its way to the loudspeaker; a higher one that is held is spared.

        A sink that can't is no error: who falls silent has more to do than that.
        """
        if self._is_silenced(channel):
            return
        try:
            await self._sink.discard()
        except Exception as error:  # noqa: BLE001 - a library's own
            _log.error("sound_not_discarded", code="sound_not_discarded", exc_info=error)
        self._pacer.restart()

    def _is_free(self, channel: Channel) -> bool:
        return channel not in self._paused and not self._is_silenced(channel)

    def _is_silenced(self, channel: Channel) -> bool:
        return any(count and holder > channel for holder, count in self._holders.items())

    def _at_volume(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        if self.muted:
            return np.zeros_like(samples)
        if self.volume_percent == DEFAULT_VOLUME:
            return samples
        # 50 % is the level that the sound was made with; loudness is felt as the square.
        gain = (self.volume_percent / DEFAULT_VOLUME) ** 2
        louder: NDArray[np.int16] = np.clip(np.rint(samples * np.float32(gain)), -32768, 32767).astype(np.int16)
        return louder

    def _wake(self) -> None:
        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        task = asyncio.get_running_loop().create_task(notify())
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)
