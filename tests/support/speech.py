"""Speech made at test time by espeak-ng, so that spoken tests need no recordings."""

from __future__ import annotations

import _ctypes
import ctypes
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
_SYNCHRONOUS = 2
_UTF8 = 1
_RATE_PARAMETER = 1
_VOICES = {"en-US": b"en-us", "zh-CN": b"cmn"}
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class _Espeak:
    """A synthesiser that has said nothing yet: espeak varies pitch, loudness and breath by counters that outlive a sentence.

    With them a sentence would sound as no other run of the same test has heard it: what was said before decides.
    """

    def __init__(self) -> None:
        import espeakng_loader  # noqa: PLC0415 - loads a shared library

        # A copy of the file is a library of its own, with counters of its own; and the speech service's engine, which
        # tests start in the same process, keeps its voice and its callback.
        with tempfile.TemporaryDirectory(prefix="earshot-espeak-") as folder:
            self._library: Any = ctypes.CDLL(shutil.copy(Path(espeakng_loader.get_library_path()), folder))
        self.rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
        self._library.espeak_ng_SetRandSeed(1)
        self._chunks: list[npt.NDArray[np.int16]] = []
        # The library keeps only the address: this reference keeps the function alive.
        self._callback = _CALLBACK(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def say(self, text: str, voice: bytes, words_per_minute: int) -> npt.NDArray[np.int16]:
        self._library.espeak_SetVoiceByName(voice)
        self._library.espeak_SetParameter(_RATE_PARAMETER, words_per_minute, 0)
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate(self._chunks)

    def close(self) -> None:
        """Give the library back, which ctypes by itself never does."""
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)


@cache
def synthesise(
    text: str, locale: str, *, words_per_minute: int = 150, voice: str | None = None
) -> npt.NDArray[np.int16]:
    """Return speech at 16 kHz, mono, with espeak's own short silence at its end: a pure function.

    Args:
        text: What to say.
        locale: "en-US" or "zh-CN".
        words_per_minute: How fast.
        voice: One of espeak's voices, "en-us+f3", instead of the locale's own.
    """
    import soxr  # noqa: PLC0415 - loads a shared library

    espeak = _Espeak()
    name = voice.encode() if voice else _VOICES[locale]
    try:
        spoken = espeak.say(text, name, words_per_minute)
    finally:
        espeak.close()
    resampled: npt.NDArray[np.int16] = soxr.resample(spoken, espeak.rate, SAMPLE_RATE).astype(np.int16)
    return resampled


def silence(seconds: float) -> npt.NDArray[np.int16]:
    """Return digital silence at 16 kHz."""
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.int16)
