"""When an utterance begins and when it is over: a state machine over voice activity, in audio time.

Time is counted in windows of audio, not by a clock, so that the same audio always ends at the same sample, live or
rebuilt from the capture by another worker.

    LISTENING ──enough speech──► SPEAKING ──silence ≥ pause──► PAUSED ──silence ≥ endpoint──► over: SILENCE
        │                            ▲                            │
        │                            └────────enough speech───────┘
        └──no_speech_timeout──► over: NO_SPEECH
    any state ──► over: DEVICE (the device's last frame), AUDIO_LOST (frames stopped coming), MAXIMUM_LENGTH
    without a detector, an engine that hears silence after words may end it instead: SILENCE, NO_SPEECH

Two thresholds keep a probability that hovers from toggling the state, and one window of noise neither starts speech nor
resumes it. Little speech is answered with more patience: who has said one short word is often about to go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

WINDOW_S: Final = 0.032
"""Seconds of audio behind one probability."""


class EndpointReason(StrEnum):
    """Why an utterance was over."""

    SILENCE = "silence"
    DEVICE = "device"
    NO_SPEECH = "no_speech"
    MAXIMUM_LENGTH = "maximum_length"
    AUDIO_LOST = "audio_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointingRules:
    """How patient the endpointer is; seconds, and probabilities from 0 to 1.

    Attributes:
        speech_threshold: From this probability on a window is speech.
        silence_threshold: Below it a window is silence; between the two it is what the window before was.
        minimum_speech_s: Speech shorter than this is taken for noise.
        resume_s: Speech that ends a pause.
        pause_s: Silence after which speech counts as paused.
        minimum_silence_s: Silence that ends an utterance.
        maximum_silence_s: Silence that ends an utterance with less than `short_speech_s` of speech.
        short_speech_s: Speech that is long enough for `minimum_silence_s`.
        no_speech_timeout_s: Silence from the start after which nobody is expected to speak.
        maximum_length_s: Longest utterance.

    Raises:
        ValueError: The values contradict each other.
    """

    speech_threshold: float = 0.4
    silence_threshold: float = 0.2
    minimum_speech_s: float = 0.096
    resume_s: float = 0.064
    pause_s: float = 0.224
    minimum_silence_s: float = 0.8
    maximum_silence_s: float = 1.024
    short_speech_s: float = 0.4
    no_speech_timeout_s: float = 6.0
    maximum_length_s: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.silence_threshold <= self.speech_threshold <= 1:
            raise ValueError("thresholds: 0 < silence_threshold <= speech_threshold <= 1")
        if not 0 < self.pause_s <= self.minimum_silence_s <= self.maximum_silence_s:
            raise ValueError("silences: 0 < pause_s <= minimum_silence_s <= maximum_silence_s")
        if not 0 < self.no_speech_timeout_s <= self.maximum_length_s:
            raise ValueError("lengths: 0 < no_speech_timeout_s <= maximum_length_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """Speech began, `offset` seconds from the first sample."""

    offset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPaused:
    """Speech may be over since `offset`."""

    offset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechResumed:
    """Speech went on at `offset`."""

    offset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The utterance is over.

    Attributes:
        reason: Why.
        end_of_speech_offset: Seconds from the first sample to the end of the last speech; 0 when there was none.
        audio_offset: Seconds of audio that it took to know.
    """

    reason: EndpointReason
    end_of_speech_offset: float
    audio_offset: float


EndpointingEvent = SpeechStarted | SpeechPaused | SpeechResumed | Endpoint


class _State(StrEnum):
    LISTENING = auto()
    SPEAKING = auto()
    PAUSED = auto()
    OVER = auto()


class Endpointer:
    """The state of one utterance."""

    __slots__ = ("_is_speech", "_last_speech", "_now", "_rules", "_run", "_spoken", "_state")

    def __init__(self, rules: EndpointingRules, *, start_offset: float = 0.0) -> None:
        """Begin at `start_offset` seconds: what lies before it (a wake word) is not listened to."""
        self._rules = rules
        self._state = _State.LISTENING
        self._now = start_offset
        self._is_speech = False
        # Seconds of uninterrupted speech or silence, whichever the last window was.
        self._run = 0.0
        self._spoken = 0.0
        self._last_speech = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the utterance has ended."""
        return self._state is _State.OVER

    @property
    def heard_speech(self) -> bool:
        """Whether there was speech."""
        return self._last_speech > 0

    def window(self, probability: float) -> EndpointingEvent | None:
        """Take the next window's probability of speech; return what it changes, if anything."""
        if self._state is _State.OVER:
            return None
        rules = self._rules
        threshold = rules.silence_threshold if self._is_speech else rules.speech_threshold
        is_speech = probability >= threshold
        self._run = self._run + WINDOW_S if is_speech == self._is_speech else WINDOW_S
        self._is_speech = is_speech
        self._now += WINDOW_S
        event = self._speech() if is_speech else self._silence()
        if event is None and _reached(self._now, rules.maximum_length_s):
            return self._over(EndpointReason.MAXIMUM_LENGTH)
        return event

    def unjudged(self, seconds: float) -> EndpointingEvent | None:
        """Take audio that no detector judges: all of it counts as speech, and only the device or its length ends it."""
        if self._state is _State.OVER:
            return None
        start = self._now
        self._now += seconds
        self._last_speech = self._now
        if self._state is _State.LISTENING:
            self._state = _State.SPEAKING
            return SpeechStarted(offset=start)
        if _reached(self._now, self._rules.maximum_length_s):
            return self._over(EndpointReason.MAXIMUM_LENGTH)
        return None

    def device_ended(self) -> Endpoint:
        """End the utterance: the device's last frame has been heard."""
        return self._over(EndpointReason.DEVICE)

    def engine_ended(self, end_of_speech_offset: float, audio_offset: float) -> Endpoint:
        """End the utterance: the recognition engine has heard silence for long enough, after words or without any."""
        self._last_speech, self._now = end_of_speech_offset, audio_offset
        return self._over(EndpointReason.SILENCE if end_of_speech_offset else EndpointReason.NO_SPEECH)

    def audio_lost(self) -> Endpoint:
        """End the utterance: frames have stopped coming."""
        return self._over(EndpointReason.AUDIO_LOST)

    def _speech(self) -> EndpointingEvent | None:
        rules = self._rules
        if self._state is _State.SPEAKING:
            self._spoken += WINDOW_S
            self._last_speech = self._now
            return None
        needed = rules.minimum_speech_s if self._state is _State.LISTENING else rules.resume_s
        if not _reached(self._run, needed):
            return None
        start = self._now - self._run
        event = SpeechResumed(offset=start) if self._state is _State.PAUSED else SpeechStarted(offset=start)
        self._state = _State.SPEAKING
        self._spoken += self._run
        self._last_speech = self._now
        return event

    def _silence(self) -> EndpointingEvent | None:
        rules = self._rules
        if self._state is _State.LISTENING:
            timed_out = _reached(self._now, rules.no_speech_timeout_s)
            return self._over(EndpointReason.NO_SPEECH) if timed_out else None
        silence = self._now - self._last_speech
        patience = rules.minimum_silence_s if _reached(self._spoken, rules.short_speech_s) else rules.maximum_silence_s
        if _reached(silence, patience):
            return self._over(EndpointReason.SILENCE)
        if self._state is _State.SPEAKING and _reached(silence, rules.pause_s):
            self._state = _State.PAUSED
            return SpeechPaused(offset=self._last_speech)
        return None

    def _over(self, reason: EndpointReason) -> Endpoint:
        self._state = _State.OVER
        return Endpoint(reason=reason, end_of_speech_offset=self._last_speech, audio_offset=self._now)


def _reached(seconds: float, limit: float) -> bool:
    # Sums of windows are off by rounding; half a millisecond is less than a sample can tell.
    return seconds >= limit - 0.0005
