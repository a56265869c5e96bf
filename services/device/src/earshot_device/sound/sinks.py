"""Where sound goes: nowhere, a WAV file, or a loudspeaker."""

from __future__ import annotations

import asyncio
import wave
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from earshot_device.errors import AudioOutputError
from earshot_device.sound.portaudio import sound_library

Samples = NDArray[np.int16]


class Sink(Protocol):
    """Takes mono int16 sound at one rate. The output paces it; a sink need not."""

    async def open(self, rate: int) -> None:
        """Begin at `rate` Hz.

        Raises:
            AudioOutputError: There is nothing to play on.
        """
        ...

    async def write(self, samples: Samples) -> None:
        """Play samples, shape (n,)."""
        ...

    async def discard(self) -> None:
        """Forget what was written and has not been heard."""
        ...

    async def close(self) -> None:
        """End; idempotent."""
        ...


class NullSink:
    """Hears everything and keeps nothing but the count of samples."""

    def __init__(self) -> None:
        self.sample_count = 0

    async def open(self, rate: int) -> None:
        """Begin."""

    async def write(self, samples: Samples) -> None:
        """Count."""
        self.sample_count += len(samples)

    async def discard(self) -> None:
        """There is nothing to forget."""

    async def close(self) -> None:
        """End."""


class WavSink:
    """Writes what is heard into a WAV file, without the silence between sounds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._writer: wave.Wave_write | None = None

    async def open(self, rate: int) -> None:
        """Create the file.

        Raises:
            AudioOutputError: It can't be written.
        """
        try:
            file = self.path.open("wb")
        except OSError as error:
            raise AudioOutputError(f"{self.path} can't be written: {error.strerror}") from error
        writer = wave.open(file, "wb")  # noqa: SIM115 - closed in close()
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        self._file, self._writer = file, writer

    async def write(self, samples: Samples) -> None:
        """Append samples."""
        if self._writer is not None:
            self._writer.writeframes(samples.astype("<i2", copy=False).tobytes())

    async def discard(self) -> None:
        """What is in the file has been heard."""

    async def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._file is not None:
            self._file.close()
            self._file = None


class LoudspeakerSink:
    """Plays through PortAudio. A loudspeaker that failed is opened anew when there is something to play again.

    Args:
        device: PortAudio's name or number of the output; None: the default one.
    """

    def __init__(self, device: str | int | None = None) -> None:
        self._device = device
        self._stream: Any = None
        self._rate: int | None = None

    async def open(self, rate: int) -> None:
        """Open the output.

        Raises:
            AudioOutputError: There is no PortAudio, or no such loudspeaker.
        """
        library = sound_library(AudioOutputError)
        try:
            self._stream = library.RawOutputStream(
                samplerate=rate, device=self._device, channels=1, dtype="int16", latency="low"
            )
            self._stream.start()
        except library.PortAudioError as error:
            raise AudioOutputError(f"the loudspeaker can't be opened: {error}") from error
        self._rate = rate

    async def write(self, samples: Samples) -> None:
        """Hand samples to PortAudio, waiting in a thread while its buffer is full.

        Raises:
            AudioOutputError: The loudspeaker failed, or can't be opened again.
        """
        if self._rate is None:
            return
        if self._stream is None:
            await self.open(self._rate)
        stream = self._stream
        try:
            await asyncio.to_thread(stream.write, samples.tobytes())
        except sound_library(AudioOutputError).PortAudioError as error:
            self._stream = None
            with suppress(Exception):
                stream.close()
            raise AudioOutputError(f"the loudspeaker failed: {error}") from error

    async def discard(self) -> None:
        """Drop what PortAudio holds."""
        if self._stream is not None:
            self._stream.abort()
            self._stream.start()

    async def close(self) -> None:
        """Close the output."""
        self._rate = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None
