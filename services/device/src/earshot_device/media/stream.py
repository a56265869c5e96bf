"""A media item being decoded."""

from __future__ import annotations

import io
import threading
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from earshot_audio import Resampler
from earshot_device.core.directives import MediaItem
from earshot_device.errors import MediaError
from earshot_device.media.ranged_file import RangedFile

BLOCK_S = 0.1


class MediaStream:
    """Decodes one item into mono int16 at a given rate. Blocking; used from threads, by one at a time.

    Args:
        item: What to play; begins at its `start_offset_s`.
        rate: Samples a second that are wanted.
        client: Fetches it.

    Raises:
        MediaError: It can't be fetched or decoded.
    """

    def __init__(self, item: MediaItem, rate: int, client: httpx.Client) -> None:
        # libsndfile is loaded by devices that play media.
        import soundfile  # noqa: PLC0415

        if not item.url.startswith(("http://", "https://")):
            raise MediaError("media is played from http and https only")
        self._lock = threading.Lock()
        self._error: type[Exception] = soundfile.LibsndfileError
        self._raw = RangedFile(item.url, client)
        try:
            self._file: Any = soundfile.SoundFile(io.BufferedReader(self._raw))
            self._file.seek(min(int(item.start_offset_s * self._file.samplerate), self._file.frames))
        except soundfile.LibsndfileError as error:
            raise self._raw.failure or MediaError("not audio that can be decoded", code="media_undecodable") from error
        self._resampler = Resampler(self._file.samplerate, rate)

    def read(self) -> NDArray[np.int16] | None:
        """Return the next block, shape (n,); None at the end.

        Raises:
            MediaError: The rest can't be fetched or decoded.
        """
        with self._lock:
            if self._file.closed:
                return None
            try:
                samples = self._file.read(int(self._file.samplerate * BLOCK_S), dtype="int16", always_2d=True)
            except self._error as error:
                raise MediaError("the rest can't be decoded", code="media_undecodable") from error
            if self._raw.failure is not None:
                raise self._raw.failure
            if not len(samples):
                return None
            mono: NDArray[np.int16] = samples.mean(axis=1).astype(np.int16)
            return self._resampler.process(mono)

    def close(self) -> None:
        """Close the file once nobody reads it."""
        with self._lock:
            self._file.close()
