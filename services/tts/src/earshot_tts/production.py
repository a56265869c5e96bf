"""A sentence in the making, for everybody who waits for it.

The same words are often wanted by many at once (an announcement, a timer that rings everywhere). They are made once:
whoever comes later hears what there is so far, then the rest with the others. When nobody listens any more, the making
stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from earshot_tts.cache.blob import Frames
from earshot_tts.cache.sentences import Source


class Production:
    """One sentence.

    Args:
        make: Makes it: calls `add` for what there is, in order, and returns or raises.
        ended: Called once, when it is made, has failed, or is given up.
    """

    def __init__(
        self, make: Callable[[Production], Coroutine[Any, Any, None]], ended: Callable[[Production], None]
    ) -> None:
        self._frames: list[bytes] = []
        self._source = Source.ENGINE
        self._listeners = 0
        self._changed = asyncio.Event()
        self._done = False
        self._error: Exception | None = None
        self._ended = ended
        self._task = asyncio.get_running_loop().create_task(self._make(make), name="tts-production")

    @property
    def frames(self) -> Frames:
        """All that there is so far."""
        return tuple(self._frames)

    def add(self, frames: Frames, source: Source) -> None:
        """Take the next frames."""
        self._frames += frames
        self._source = source
        self._tell()

    async def listen(self) -> AsyncGenerator[tuple[Frames, Source], None]:
        """Yield the sentence from its beginning; closing the last listener gives the sentence up.

        Raises:
            Exception: What making it raised.
        """
        self._listeners += 1
        heard = 0
        try:
            while True:
                if heard < len(self._frames):
                    frames = tuple(self._frames[heard:])
                    heard += len(frames)
                    yield frames, self._source
                elif self._done:
                    if self._error is not None:
                        raise self._error
                    return
                else:
                    await self._changed.wait()
        finally:
            self._listeners -= 1
            if not self._listeners and not self._done:
                self._task.cancel()
                self._end(None)

    async def _make(self, make: Callable[[Production], Coroutine[Any, Any, None]]) -> None:
        try:
            await make(self)
        except Exception as error:  # noqa: BLE001 - it is raised where somebody listens
            self._end(error)
        else:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self._done:
            self._done, self._error = True, error
            self._ended(self)
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
