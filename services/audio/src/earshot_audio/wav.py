"""Reading and writing WAV, for files that people listen to and for tests."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earshot_audio.errors import MalformedAudioError


def write_wav(samples: NDArray[np.int16], sample_rate_hertz: int, path: Path | None = None) -> bytes:
    """Return mono int16 samples (shape (n,)) as a WAV file, and write it to `path` if one is given."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate_hertz)
        writer.writeframes(samples.astype("<i2", copy=False).tobytes())
    if path is not None:
        path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


def read_wav(source: Path | bytes) -> tuple[NDArray[np.int16], int]:
    """Return mono int16 samples (shape (n,)) and their rate; several channels become their mean.

    Reads what libsndfile reads: WAV of any sample width, FLAC, Ogg.

    Raises:
        MalformedAudioError: `malformed_wav`: it is none of these.
        OSError: The file can't be opened.
    """
    # libsndfile is loaded only by those who read files.
    import soundfile  # noqa: PLC0415

    data = source if isinstance(source, bytes) else source.read_bytes()
    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise MalformedAudioError("not an audio file", code="malformed_wav") from error
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1).astype(np.int16)
    return np.ascontiguousarray(mono), int(rate)
