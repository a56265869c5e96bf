"""espeak-ng through ctypes: the part that knows the C interface, and nothing about Earshot.

libespeak-ng has one synthesiser a process, with global state: `shared` returns the process's one `EspeakLibrary`, whose
lock its users hold around whatever belongs together. ctypes gives the GIL up while C runs and takes it for each
callback, once for 60 ms of sound, so a thread is enough to keep an event loop free.

The library is GPL-3: nothing outside this distribution loads it.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# espeak-ng/speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_PARAMETER_RATE = 1
_PHONEMES_IPA = 0x02
_SEPARATOR = "_"
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
# Where the text changes script, espeak says which language it goes on in: "(en)".
_LANGUAGE_SWITCH = re.compile(r"\([a-z]{2,3}(?:-[a-z]+)*\)")


class EspeakFailure(RuntimeError):  # noqa: N818 - an error of the library, turned into ours by the engine
    """A call returned an error."""


class EspeakLibrary:
    """The loaded library. Every call needs `lock`.

    Args:
        library: Path of the shared object.
        data: Path of espeak-ng-data.

    Raises:
        OSError: The library can't be loaded.
        EspeakFailure: It does not accept its data.
    """

    def __init__(self, library: str, data: Path) -> None:
        self.lock = threading.Lock()
        self._selected: tuple[Path, int] | None = None
        self._lib: Any = ctypes.CDLL(library)
        self._lib.espeak_Info.restype = ctypes.c_char_p
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_Synth.argtypes = (
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        )
        self.sample_rate_hertz: int = self._lib.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, str(data).encode(), _INITIALIZE_DONT_EXIT
        )
        if self.sample_rate_hertz <= 0:
            raise EspeakFailure(f"espeak-ng can't read {data}")
        self.version: str = self._lib.espeak_Info(None).decode().split()[0]
        self._sink: Callable[[bytes], bool] | None = None
        self._failure: BaseException | None = None
        self._stopped = False
        # The C side keeps the pointer, so the object has to live as long as the library.
        self._callback = _CALLBACK(self._on_audio)
        self._lib.espeak_SetSynthCallback(self._callback)

    def select_voice(self, file: Path, words_per_minute: int) -> None:
        """Make a voice file the current voice; at no cost where it is already.

        Raises:
            EspeakFailure: It is not a voice.
        """
        if self._selected == (file, words_per_minute):
            return
        self._selected = None
        _check(self._lib.espeak_ng_SetVoiceByFile(str(file).encode()), "select a voice")
        _check(self._lib.espeak_SetParameter(_PARAMETER_RATE, words_per_minute, 0), "set the rate")
        self._selected = (file, words_per_minute)

    def synthesise(self, text: str, sink: Callable[[bytes], bool]) -> None:
        """Speak plain text with the current voice.

        Args:
            text: Without NUL.
            sink: Gets little-endian 16-bit mono samples, 60 ms at a time; False stops.

        Raises:
            EspeakFailure: The library refused.
            BaseException: What the sink raised.
        """
        self._sink, self._failure, self._stopped = sink, None, False
        try:
            result = self._speak(text.encode())
        finally:
            self._sink = None
        if self._stopped:
            # What was read ahead of the stop would lead the next call's text; an empty text drops it.
            self._speak(b"")
        if self._failure is not None:
            raise self._failure
        _check(result, "speak")

    def phonemes(self, text: str) -> list[str]:
        """Return the IPA phonemes of plain text in the current voice; stress marks lead their phoneme."""
        remaining = ctypes.c_char_p(text.encode())
        mode = _PHONEMES_IPA | ord(_SEPARATOR) << 8
        found: list[str] = []
        # One call reads one clause and moves the pointer; it is NULL when the text is used up.
        while remaining.value:
            clause = self._lib.espeak_TextToPhonemes(ctypes.byref(remaining), _CHARS_UTF8, mode)
            plain = _LANGUAGE_SWITCH.sub(_SEPARATOR, (clause or b"").decode())
            found += [phoneme for phoneme in re.split(rf"[{_SEPARATOR}\s]+", plain) if phoneme]
        return found

    def _speak(self, text: bytes) -> int:
        status: int = self._lib.espeak_Synth(text, len(text) + 1, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)
        return status

    def _on_audio(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples is None or count <= 0 or self._sink is None:
            return 0
        try:
            self._stopped = not self._sink(ctypes.string_at(samples, 2 * count))
        except BaseException as error:  # noqa: BLE001 - an exception can't cross C; `synthesise` raises it
            self._failure, self._stopped = error, True
        return int(self._stopped)


_LOADING = threading.Lock()
_LOADED: list[EspeakLibrary] = []


def shared(library: str, data: Path) -> EspeakLibrary:
    """Return the process's one library, loaded when it is first asked for; it stays loaded.

    Raises:
        OSError: The library can't be loaded.
        EspeakFailure: It does not accept its data.
    """
    with _LOADING:
        if not _LOADED:
            _LOADED.append(EspeakLibrary(library, data))
        return _LOADED[0]


def _check(status: int, what: str) -> None:
    if status != 0:
        raise EspeakFailure(f"espeak-ng could not {what}: status {status & 0xFFFFFFFF:#x}")
