"""One segment on its way to a device: sentences in order, frames at their pace, until the end.

    span ─► batches of frames ─► one frame held back ─► pacer ─► send

One frame is always held back, because only what follows tells whether a frame is the last. Sentences are asked for one
after the other, when the pace wants them: a cancelled answer has cost little more than what was heard of it.

Frames below `resume_at` are counted and not sent: another worker sent them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from earshot_tts.cache.blob import Frames
from earshot_tts.cache.sentences import Source
from earshot_tts.cancellation import cancelling
from earshot_tts.pacing import Pacer
from earshot_tts.synthesis import Batch
from earshot_tts.text.spans import Span


class FrameSender(Protocol):
    """Puts frames on the wire."""

    async def send(self, sequence: int, payload: bytes, *, last: bool) -> float:
        """Send one frame; return its length in seconds. `last`: of the segment."""

    async def confirm(self) -> None:
        """Return when what was sent can't be lost any more."""


class Batches(Protocol):
    """Where frames come from; `close` ends a source that is not used up."""

    def __anext__(self) -> Awaitable[Batch]:
        """Return the next frames."""

    def aclose(self) -> Awaitable[None]:
        """Stop."""


@dataclass(slots=True)
class Progress:
    """How far a playback is.

    Attributes:
        next_sequence: Of the frame after the last one that was counted.
        sent: Frames that left.
        sentences: Sentences that were begun.
        cache_hits: Those that came from a cache.
        sent_s: Sound that left.
        synthesis_s: Seconds that went into waiting for sound, from the engine or a cache.
        paced_s: Seconds in which sound was there and the device had enough: nobody waited for it.
    """

    next_sequence: int
    sent: int = 0
    sentences: int = 0
    cache_hits: int = 0
    sent_s: float = 0.0
    synthesis_s: float = 0.0
    paced_s: float = 0.0


class Playback:
    """Speaks one segment.

    Args:
        spans: What to say, worked out lazily.
        batches: Turns a span into frames.
        sender: Takes the frames.
        pacer: The outcome's pace; a later segment goes on with it.
        silence: Payload that is sent where nothing can be said.
        first_sequence: Of the segment's first frame.
        resume_at: First sequence that is sent.
        on_first_frame: Called when the first frame has left.
    """

    def __init__(
        self,
        *,
        spans: Iterable[Span],
        batches: Callable[[Span], Batches],
        sender: FrameSender,
        pacer: Pacer,
        silence: bytes,
        first_sequence: int = 0,
        resume_at: int = 0,
        on_first_frame: Callable[[], None] = lambda: None,
    ) -> None:
        self._spans = spans
        self._batches = batches
        self._sender = sender
        self._pacer = pacer
        self._silence = silence
        self._resume_at = resume_at
        self._on_first_frame = on_first_frame
        self.progress = Progress(next_sequence=first_sequence)

    async def run(self) -> Progress:
        """Speak to the end; whoever ends it early cancels the task, and nothing is sent any more.

        Raises:
            EarshotError: The engine or the bus failed; what was sent stays sent.
        """
        held: bytes | None = None
        for span in self._spans:
            self.progress.sentences += 1
            first = True
            async with aclosing(self._batches(span)) as batches:
                while (batch := await self._made(batches)) is not None:
                    if first and batch.source is not Source.ENGINE:
                        self.progress.cache_hits += 1
                    first = False
                    ready = batch.frames if held is None else (held, *batch.frames)
                    held = ready[-1]
                    await self._send(ready[:-1])
        await self._send((held if held is not None else self._silence,), last=True)
        await self._sender.confirm()
        return self.progress

    async def _made(self, batches: Batches) -> Batch | None:
        """Return the next frames of a sentence, and count how long they were waited for; None: that was all of it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await anext(batches, None)
        finally:
            self.progress.synthesis_s += loop.time() - began

    async def _send(self, payloads: Frames, *, last: bool = False) -> None:
        progress, pacer, loop = self.progress, self._pacer, asyncio.get_running_loop()
        if cancelling():
            raise asyncio.CancelledError
        for payload in payloads:
            if progress.next_sequence >= self._resume_at:
                wait_s = pacer.wait_s(loop.time())
                if wait_s > 0:
                    await self._hold_back(wait_s)
                duration_s = await self._sender.send(progress.next_sequence, payload, last=last)
                pacer.sent(loop.time(), duration_s)
                progress.sent_s += duration_s
                progress.sent += 1
                if progress.sent == 1:
                    self._on_first_frame()
            progress.next_sequence += 1

    async def _hold_back(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await asyncio.sleep(wait_s)
        finally:
            self.progress.paced_s += loop.time() - began
