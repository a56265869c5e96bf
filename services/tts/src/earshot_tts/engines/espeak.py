"""espeak-ng as an engine: small, quick, both locales, works after a plain pip install.

espeak varies its pitch (flutter) and loudness (roughness) by counters that outlive a sentence, so the same words never
sound quite the same twice. Both are switched off by a voice file of our own: then a sentence is a pure function of its
text, which is what lets another worker go on in its middle.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from earshot_tts.engines.base import EngineCapabilities, Samples, Sink, Voice
from earshot_tts.engines.espeak_library import EspeakFailure, EspeakLibrary, shared
from earshot_tts.errors import EngineError, EngineUnavailableError

NAME = "espeak-ng"
# Raised whenever the voice files below change: cached sentences of the revision before are then never met again.
_VOICES_REVISION = 1
_STEADY = "\nflutter 0\nroughness 0\n"
# Locale, name of the voice, file below espeak-ng-data/lang.
_VOICES = (("en-US", "en-us", "gmw/en-US"), ("zh-CN", "cmn", "sit/cmn"))
_SLOWEST, _FASTEST = 80, 450


class EspeakEngine:
    """The embedded engine.

    Args:
        words_per_minute: Speaking rate, 80 to 450.
    """

    def __init__(self, words_per_minute: int = 150) -> None:
        if not _SLOWEST <= words_per_minute <= _FASTEST:
            raise EngineUnavailableError(f"espeak-ng speaks {_SLOWEST} to {_FASTEST} words a minute")
        self._rate = words_per_minute
        self._library: EspeakLibrary | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: dict[str, Path] = {}
        self._capabilities: EngineCapabilities | None = None

    @property
    def capabilities(self) -> EngineCapabilities:
        """What it can do; known after `start`."""
        if self._capabilities is None:
            raise EngineUnavailableError("espeak-ng has not been started")
        return self._capabilities

    def start(self) -> None:
        """Load the library and write the voice files.

        Raises:
            EngineUnavailableError: The library or its data can't be loaded.
        """
        try:
            import espeakng_loader  # noqa: PLC0415 - loads data when imported

            data = Path(espeakng_loader.get_data_path())
            library = shared(espeakng_loader.get_library_path(), data)
        except (ImportError, OSError, EspeakFailure) as error:
            raise EngineUnavailableError(f"espeak-ng can't be loaded: {error}") from error
        self._folder = tempfile.TemporaryDirectory(prefix="earshot-tts-")
        for _, name, source in _VOICES:
            # Not all of espeak's voice files are UTF-8; what we add is ASCII.
            file = Path(self._folder.name, name)
            file.write_bytes((data / "lang" / source).read_bytes() + _STEADY.encode())
            self._files[name] = file
        self._library = library
        self._capabilities = EngineCapabilities(
            name=NAME,
            revision=f"{library.version}-{_VOICES_REVISION}-{self._rate}",
            voices=tuple(
                Voice(name=name, locales=(locale,), sample_rate_hertz=library.sample_rate_hertz)
                for locale, name, _ in _VOICES
            ),
            deterministic=True,
            phonemes=True,
        )
        with library.lock:
            for _, name, _ in _VOICES:
                # Dictionaries are read when a voice is selected: 3 ms that the first user need not wait for.
                library.select_voice(self._files[name], self._rate)

    def stop(self) -> None:
        """Forget the library and remove the voice files; waits for the sentence in progress."""
        library, self._library = self._library, None
        if library is None:
            return
        with library.lock:
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None

    def synthesise(self, text: str, voice: Voice, sink: Sink) -> None:
        """Speak one sentence; samples come 60 ms at a time, the first after about 0.2 ms."""

        def receive(block: bytes) -> bool:
            samples: Samples = np.frombuffer(block, "<i2")
            return sink(samples)

        library = self._loaded()
        with library.lock:
            try:
                library.select_voice(self._files[voice.name], self._rate)
                library.synthesise(text, receive)
            except EspeakFailure as error:
                raise EngineError(str(error)) from error

    def phonemise(self, words: Sequence[str], voice: Voice) -> list[list[str]]:
        """Return each word's phonemes; a word that espeak reads as nothing has none."""
        library = self._loaded()
        with library.lock:
            try:
                library.select_voice(self._files[voice.name], self._rate)
                return [library.phonemes(word) for word in words]
            except EspeakFailure as error:
                raise EngineError(str(error)) from error

    def _loaded(self) -> EspeakLibrary:
        if self._library is None:
            raise EngineError("espeak-ng has been stopped")
        return self._library
