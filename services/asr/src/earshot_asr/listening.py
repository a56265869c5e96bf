"""What goes before a result, as spans: the talker talks, then is silent. Neither is recognition, though both are recognised.

    asr.recognize ─┬─ asr.listen     until the end of speech: as long as the talker talks
                   ├─ asr.silence    until it is taken for the end: usually most of what the user waits for
                   └─ asr.decode     until there is a result

An engine that can't keep up makes `asr.listen` longer than the speech. `voice.asr.busy_s` tells: of its seconds, those in which
frames had come and were being worked off, and not waited for.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from earshot_asr.assembly import Frame
from earshot_asr.source import Ending, FrameSource
from earshot_chassis import telemetry
from earshot_chassis.errors import code_of
from earshot_topology import attributes


class Listening:
    """The spans of one utterance up to its end: entered when its frames are asked for, left when it is over."""

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._began_ns = time.time_ns()
        self._began = asyncio.get_running_loop().time()
        self._waited_s = 0.0
        self._span = telemetry.start_span("asr.listen", start_time_ns=self._began_ns)
        self._ended_ns: int | None = None
        return self

    def to(self, source: FrameSource) -> FrameSource:
        """Return a source of frames whose waits are told apart from the work on what came."""
        return _Awaited(source, self)

    def waited(self, seconds: float) -> None:
        """Count seconds in which no frame was there."""
        self._waited_s += seconds

    def ended(self, silence_s: float) -> None:
        """Say that the utterance is over, and for how long its talker had been silent by then.

        Of an utterance that another worker had begun, that may be longer than this one has listened.
        """
        now_ns = time.time_ns()
        self._ended_ns = max(self._began_ns, now_ns - int(silence_s * 1e9))
        if silence_s > 0:
            telemetry.start_span("asr.silence", start_time_ns=now_ns - int(silence_s * 1e9)).end(now_ns)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what was not ended."""
        if isinstance(error, Exception):
            telemetry.fail(self._span, code_of(error))
        busy_s = asyncio.get_running_loop().time() - self._began - self._waited_s
        self._span.set_attribute(attributes.BUSY_SECONDS, max(0.0, busy_s))
        self._span.end(self._ended_ns)


class _Awaited:
    """A source of frames that tells how long it was waited for."""

    def __init__(self, source: FrameSource, listening: Listening) -> None:
        self._source = source
        self._listening = listening

    async def next(self) -> list[Frame] | Ending:
        """Return what the source does."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self._source.next()
        finally:
            self._listening.waited(loop.time() - began)
