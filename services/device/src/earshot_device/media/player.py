"""Playing media: a queue of items, fetched over HTTP and written to the output while nothing more important sounds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context

import httpx

from earshot_chassis import telemetry
from earshot_device.core.directives import MediaItem
from earshot_device.errors import MediaError
from earshot_device.media.stream import MediaStream
from earshot_device.sound.output import Channel, Output
from earshot_device.tasks import end

_TIMEOUT_S = 5.0

_log = telemetry.logger("device.media")


class MediaPlayer:
    """Plays one item at a time.

    Args:
        output: The loudspeaker.
        changed: Called when what is playing, or whether it is, has changed.
        finished: Called with an item that has reached its end.
    """

    def __init__(self, output: Output, *, changed: Callable[[], None], finished: Callable[[MediaItem], None]) -> None:
        self._output = output
        self._changed = changed
        self._finished = finished
        self._client: httpx.Client | None = None
        self._queue: deque[MediaItem] = deque()
        self._current: tuple[MediaItem, MediaStream] | None = None
        self._offset_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._paused = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def item(self) -> MediaItem | None:
        """What is in the player, playing or paused."""
        return self._current[0] if self._current is not None else None

    @property
    def playing(self) -> bool:
        """Whether it is playing rather than paused."""
        return self._current is not None and not self._paused

    @property
    def offset_s(self) -> float:
        """How far the item has been played."""
        return self._offset_s if self._current is not None else 0.0

    @property
    def queued(self) -> tuple[MediaItem, ...]:
        """What follows."""
        return tuple(self._queue)

    async def play(self, items: tuple[MediaItem, ...], *, enqueue: bool) -> None:
        """Play items instead of everything else, or behind it. Returns when the first of them has been opened.

        Raises:
            MediaError: There is none, or it can't be opened; what played before has stopped all the same.
        """
        if not items:
            raise MediaError("there is nothing to play", code="media_missing")
        if enqueue and self._current is not None:
            self._queue.extend(items)
            return
        await self.stop()
        self._queue.extend(items)
        first = self._queue.popleft()
        try:
            self._current = (first, await self._open(first))
        except MediaError:
            self._queue.clear()
            raise
        self._go_on()
        self._idle.clear()
        self._task = asyncio.create_task(self._run(), name="device-media", context=Context())
        self._changed()

    def pause(self) -> None:
        """Pause; nothing happens where nothing plays."""
        if self.playing:
            self._paused = True
            self._output.pause(Channel.MEDIA)
            self._changed()

    def resume(self) -> None:
        """Go on; nothing happens where nothing is paused."""
        if self._current is not None and self._paused:
            self._go_on()
            self._changed()

    async def stop(self) -> None:
        """Stop and forget everything."""
        self._queue.clear()
        task, self._task = self._task, None
        if task is None:
            return
        await end(task)
        await self._leave()
        await self._output.discard(Channel.MEDIA)

    async def idle(self) -> None:
        """Wait until everything has been played or stopped."""
        await self._idle.wait()

    async def close(self) -> None:
        """Stop and let go of the connection."""
        await self.stop()
        if self._client is not None:
            self._client.close()

    def _go_on(self) -> None:
        self._paused = False
        self._output.resume(Channel.MEDIA)

    async def _open(self, item: MediaItem) -> MediaStream:
        if self._client is None:
            # Reading certificates takes 30 ms, which devices that play nothing are spared.
            self._client = await asyncio.to_thread(httpx.Client, timeout=_TIMEOUT_S, trust_env=False)
        return await asyncio.to_thread(MediaStream, item, self._output.rate, self._client)

    async def _run(self) -> None:
        while self._current is not None:
            item, stream = self._current
            self._offset_s = item.start_offset_s
            try:
                while (block := await asyncio.to_thread(stream.read)) is not None:
                    await self._output.write(Channel.MEDIA, block)
                    self._offset_s += len(block) / self._output.rate
                self._finished(item)
            except MediaError as error:
                _log.warning("media_failed", code=error.code)
            except Exception as error:  # noqa: BLE001 - the next item plays, whatever is wrong with this one
                _log.error("media_failed", exc_info=error)
            await asyncio.to_thread(stream.close)
            await self._advance()
        self._task = None
        self._idle.set()

    async def _advance(self) -> None:
        self._current = None
        while self._queue and self._current is None:
            following = self._queue.popleft()
            try:
                self._current = (following, await self._open(following))
            except MediaError as error:
                _log.warning("media_failed", code=error.code)
        self._changed()

    async def _leave(self) -> None:
        current, self._current = self._current, None
        self._go_on()
        self._idle.set()
        if current is not None:
            await asyncio.to_thread(current[1].close)
            self._changed()
