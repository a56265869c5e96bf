"""An engine that costs next to nothing, to measure the platform around it.

It speaks every sentence with the same recording, cut to a length that follows from the text: real frames of a real
length, without a synthesiser's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from earshot_audio import MalformedAudioError, read_wav
from earshot_tts.engines.base import EngineCapabilities, Samples, Sink, Voice
from earshot_tts.errors import EngineError, EngineUnavailableError

NAME = "recorded"
_TONE_HERTZ = 220.0
_TONE_RATE = 16_000
_TONE_SECONDS = 30
_SECONDS_PER_CHARACTER = 0.06
_SECONDS_PER_IDEOGRAPH = 0.2
_BLOCK_SECONDS = 0.5
_FIRST_IDEOGRAPH = "\u2e80"


class RecordedEngine:
    """Stored samples as an engine.

    Args:
        recording: Audio file to speak with; None: a tone.
    """

    def __init__(self, recording: Path | None = None) -> None:
        self._recording = recording
        self._samples: Samples = np.empty(0, np.int16)
        self._capabilities: EngineCapabilities | None = None

    @property
    def capabilities(self) -> EngineCapabilities:
        """What it can do; known after `start`."""
        if self._capabilities is None:
            raise EngineUnavailableError("the recorded engine has not been started")
        return self._capabilities

    def start(self) -> None:
        """Read the recording, or make the tone.

        Raises:
            EngineUnavailableError: The recording can't be read, or is empty.
        """
        samples, rate = _tone(), _TONE_RATE
        if self._recording is not None:
            try:
                samples, rate = read_wav(self._recording)
            except (OSError, MalformedAudioError) as error:
                raise EngineUnavailableError(f"the recording {self._recording} can't be read: {error}") from error
            if not len(samples):
                raise EngineUnavailableError(f"the recording {self._recording} is empty")
        self._samples = samples
        self._capabilities = EngineCapabilities(
            name=NAME,
            revision=sha256(samples.tobytes()).hexdigest()[:16],
            voices=(Voice(name=NAME, locales=("en-US", "zh-CN"), sample_rate_hertz=rate),),
            deterministic=True,
            phonemes=False,
        )

    def stop(self) -> None:
        """Nothing is held."""

    def synthesise(self, text: str, voice: Voice, sink: Sink) -> None:
        """Give the sink the recording, repeated or cut to the text's length, half a second at a time."""
        seconds = sum(_SECONDS_PER_CHARACTER if c < _FIRST_IDEOGRAPH else _SECONDS_PER_IDEOGRAPH for c in text)
        wanted = max(1, int(seconds * voice.sample_rate_hertz))
        block = int(_BLOCK_SECONDS * voice.sample_rate_hertz)
        given = 0
        while given < wanted:
            start = given % len(self._samples)
            samples = self._samples[start : start + min(block, wanted - given)]
            given += len(samples)
            if not sink(samples):
                return

    def phonemise(self, words: Sequence[str], voice: Voice) -> list[list[str]]:
        """Refuse: a recording has no phonemes."""
        raise EngineError(f"voice {voice.name} has no phonemes for {len(words)} word(s)", code="phonemes_unsupported")


def _tone() -> Samples:
    time = np.arange(_TONE_RATE * _TONE_SECONDS) / _TONE_RATE
    tone: Samples = (np.sin(2 * np.pi * _TONE_HERTZ * time) * 6000).astype(np.int16)
    return tone
