"""From frames to what the recogniser works on: 16 kHz samples and the endpointer's events.

One object an utterance, without I/O: the bus path and the gRPC path push frames in, and act on what comes out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earshot_asr.assembly import Frame
from earshot_asr.endpointing import Endpoint, Endpointer, EndpointingEvent, EndpointingRules
from earshot_asr.vad import SAMPLE_RATE_HERTZ, WINDOW_SAMPLES, VoiceActivityDetector
from earshot_audio import Format, FrameDecoder, Resampler

_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)


class Heard(NamedTuple):
    """What one frame added. A tuple, because one is made for every frame.

    Attributes:
        pcm: 16-bit mono little-endian at 16 kHz, for the engine.
        events: What the endpointer found, in order.
        endpoint: The last of them, if it ends the utterance.
    """

    pcm: bytes
    events: tuple[EndpointingEvent, ...] = ()
    endpoint: Endpoint | None = None


class FrontEnd:
    """Decodes, resamples, and listens for the end of speech.

    Args:
        audio_format: Format of the frames.
        detector: Voice activity, for this utterance alone; None: the utterance ends when the device says so.
        rules: The endpointer's.
        skip_s: Seconds at the start that are not listened to (a wake word).
    """

    def __init__(
        self,
        audio_format: Format,
        detector: VoiceActivityDetector | None,
        rules: EndpointingRules,
        *,
        skip_s: float = 0.0,
    ) -> None:
        self._decoder = FrameDecoder(audio_format)
        rate = audio_format.sample_rate_hertz
        self._resampler = None if rate == SAMPLE_RATE_HERTZ else Resampler(rate, SAMPLE_RATE_HERTZ)
        self._detector = detector
        self.endpointer = Endpointer(rules, start_offset=skip_s)
        self._skip_samples = round(skip_s * SAMPLE_RATE_HERTZ)
        self._window: NDArray[np.int16] = _EMPTY
        # Length of a frame that has to be replaced by silence: that of the frame before.
        self._frame_samples = SAMPLE_RATE_HERTZ // 50
        self._samples = 0

    @property
    def audio_seconds(self) -> float:
        """Seconds of audio that were pushed in."""
        return self._samples / SAMPLE_RATE_HERTZ

    def hear(self, frame: Frame) -> Heard:
        """Take the next frame.

        Raises:
            MalformedAudioError: It is not what the format says.
        """
        samples = self._samples_of(frame)
        self._samples += len(samples)
        if self._skip_samples:
            skipped = min(self._skip_samples, len(samples))
            self._skip_samples -= skipped
            samples = samples[skipped:]
        events = self._listen(samples) if len(samples) else []
        if not events:
            return Heard(pcm=samples.tobytes())
        last = events[-1]
        return Heard(pcm=samples.tobytes(), events=tuple(events), endpoint=last if isinstance(last, Endpoint) else None)

    def _samples_of(self, frame: Frame) -> NDArray[np.int16]:
        if frame is None:
            return np.zeros(self._frame_samples, np.int16)
        # A device that has nothing left to say may mark its end with an empty frame.
        if not frame:
            return _EMPTY
        samples = self._decoder.decode(frame)
        if self._resampler is not None:
            samples = self._resampler.process(samples)
        self._frame_samples = len(samples) or self._frame_samples
        return samples

    def _listen(self, samples: NDArray[np.int16]) -> list[EndpointingEvent]:
        if self._detector is None:
            event = self.endpointer.unjudged(len(samples) / SAMPLE_RATE_HERTZ)
            return [event] if event is not None else []
        events = []
        pending = np.concatenate([self._window, samples]) if len(self._window) else samples
        start = 0
        while start + WINDOW_SAMPLES <= len(pending) and not self.endpointer.is_over:
            probability = self._detector.probability(pending[start : start + WINDOW_SAMPLES])
            start += WINDOW_SAMPLES
            if (event := self.endpointer.window(probability)) is not None:
                events.append(event)
        self._window = pending[start:]
        return events
