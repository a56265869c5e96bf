"""A microphone, through PortAudio.

PortAudio calls from a thread of its own, so blocks cross into the event loop by call_soon_threadsafe. The microphone is
open between turns too: what it hears then is kept for `pre_roll_s` and leads the next utterance.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earshot_device.errors import AudioInputError
from earshot_device.sound.portaudio import sound_library

Samples = NDArray[np.int16]

_BLOCK_S = 0.02
_END: Samples = np.empty(0, np.int16)


class PreRoll:
    """The last `seconds` of what was heard, block by block."""

    def __init__(self, seconds: float, rate: int) -> None:
        self._limit = int(seconds * rate)
        self._blocks: deque[Samples] = deque()
        self._count = 0

    def append(self, block: Samples) -> None:
        """Take a block; the oldest ones give way."""
        self._blocks.append(block)
        self._count += len(block)
        while self._blocks and self._count - len(self._blocks[0]) >= self._limit:
            self._count -= len(self._blocks.popleft())

    def take(self) -> Samples:
        """Return what is kept, shape (n,), and begin anew."""
        taken = np.concatenate([_END, *self._blocks])[-self._limit :] if self._limit else _END
        self._blocks.clear()
        self._count = 0
        return taken


class Microphone:
    """An `AudioSource` for each turn, from one open microphone.

    Args:
        rate: Samples a second.
        pre_roll_s: How much of what was heard before a turn leads it.
        device: PortAudio's name or number of the input; None: the default one.
    """

    live = True

    def __init__(self, rate: int = 16_000, *, pre_roll_s: float = 0.5, device: str | int | None = None) -> None:
        self.rate = rate
        self.pre_roll_s = pre_roll_s
        self._device = device
        self._pre_roll = PreRoll(pre_roll_s, rate)
        self._listener: asyncio.Queue[Samples] | None = None
        self._stream: Any = None

    def open(self) -> None:
        """Open the input.

        Raises:
            AudioInputError: There is no PortAudio, or no such microphone.
        """
        library = sound_library(AudioInputError)
        loop = asyncio.get_running_loop()

        def heard(data: Any, _frames: int, _time: Any, _status: Any) -> None:
            block = np.frombuffer(bytes(data), np.int16)
            loop.call_soon_threadsafe(self.feed, block)

        try:
            self._stream = library.RawInputStream(
                samplerate=self.rate,
                blocksize=int(self.rate * _BLOCK_S),
                device=self._device,
                channels=1,
                dtype="int16",
                callback=heard,
            )
            self._stream.start()
        except library.PortAudioError as error:
            raise AudioInputError(f"the microphone can't be opened: {error}") from error

    def close(self) -> None:
        """Close the input; a turn that listens ends."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self._listener is not None:
            self._listener.put_nowait(_END)

    def feed(self, block: Samples) -> None:
        """Take a block that was heard, shape (n,)."""
        if self._listener is not None:
            self._listener.put_nowait(block)
        else:
            self._pre_roll.append(block)

    async def blocks(self) -> AsyncIterator[Samples]:
        """Yield the pre-roll, then what is heard, until the turn has its endpoint or the microphone is closed."""
        queue: asyncio.Queue[Samples] = asyncio.Queue()
        self._listener = queue
        try:
            yield self._pre_roll.take()
            while len(block := await queue.get()):
                yield block
        finally:
            self._listener = None

    def silence(self, count: int) -> Samples:
        """Return digital silence: a live source has no end that it would follow."""
        return np.zeros(count, np.int16)
