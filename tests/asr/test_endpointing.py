"""The endpointer, in audio time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot_asr.endpointing import (
    WINDOW_S,
    Endpoint,
    Endpointer,
    EndpointingEvent,
    EndpointingRules,
    EndpointReason,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)

RULES = EndpointingRules()
SPEECH, SILENCE = 0.95, 0.02


def windows(seconds: float, probability: float) -> list[float]:
    """Return the probabilities of a stretch of audio."""
    return [probability] * round(seconds / WINDOW_S)


def run(probabilities: list[float], rules: EndpointingRules = RULES) -> list[EndpointingEvent]:
    """Return what the endpointer says to some windows."""
    endpointer = Endpointer(rules)
    return [event for probability in probabilities if (event := endpointer.window(probability)) is not None]


def endpoint(events: list[EndpointingEvent]) -> Endpoint:
    """Return the endpoint that the events end with."""
    assert isinstance(events[-1], Endpoint)
    return events[-1]


def test_silence_after_speech_ends_an_utterance() -> None:
    """Speech, then the minimum silence: started, paused, over, with the end of speech where it was."""
    events = run(windows(0.64, SILENCE) + windows(1.6, SPEECH) + windows(3, SILENCE))
    assert [type(event) for event in events] == [SpeechStarted, SpeechPaused, Endpoint]
    assert events[0] == SpeechStarted(offset=pytest.approx(0.64))
    over = endpoint(events)
    assert over.reason is EndpointReason.SILENCE
    assert over.end_of_speech_offset == pytest.approx(2.24)
    assert (
        RULES.minimum_silence_s <= over.audio_offset - over.end_of_speech_offset <= RULES.minimum_silence_s + WINDOW_S
    )


def test_the_default_silence_is_at_least_600_ms() -> None:
    """Nobody is cut off sooner by default."""
    assert RULES.minimum_silence_s >= 0.6


def test_a_pause_of_half_a_second_does_not_end_an_utterance() -> None:
    """Who pauses for 500 ms and goes on is heard to the end."""
    events = run(windows(1, SPEECH) + windows(0.5, SILENCE) + windows(1, SPEECH) + windows(2, SILENCE))
    assert [type(event) for event in events] == [SpeechStarted, SpeechPaused, SpeechResumed, SpeechPaused, Endpoint]
    assert endpoint(events).end_of_speech_offset == pytest.approx(2.5, abs=WINDOW_S)


def test_one_short_word_is_given_more_time() -> None:
    """With little speech the maximum silence applies."""
    over = endpoint(run(windows(0.32, SPEECH) + windows(3, SILENCE)))
    waited = over.audio_offset - over.end_of_speech_offset
    assert RULES.maximum_silence_s <= waited <= RULES.maximum_silence_s + WINDOW_S


def test_nobody_speaks() -> None:
    """Silence alone ends in NO_SPEECH after its time-out, with no end of speech."""
    events = run(windows(10, SILENCE))
    assert len(events) == 1
    assert endpoint(events) == Endpoint(
        reason=EndpointReason.NO_SPEECH, end_of_speech_offset=0.0, audio_offset=pytest.approx(6.016)
    )


def test_a_click_is_no_speech() -> None:
    """Speech shorter than the minimum starts nothing."""
    clicks = (windows(0.064, SPEECH) + windows(0.5, SILENCE)) * 12
    assert endpoint(run(clicks)).reason is EndpointReason.NO_SPEECH


def test_a_click_does_not_end_a_pause() -> None:
    """One noisy window in the silence does not make the user wait longer."""
    with_click = windows(1, SPEECH) + windows(0.4, SILENCE) + windows(0.032, SPEECH) + windows(2, SILENCE)
    without = windows(1, SPEECH) + windows(2, SILENCE)
    assert endpoint(run(with_click)) == endpoint(run(without))


def test_somebody_who_talks_on_is_stopped() -> None:
    """Speech without end is over at the maximum length."""
    over = endpoint(run(windows(600, SPEECH)))
    assert over.reason is EndpointReason.MAXIMUM_LENGTH
    assert over.audio_offset == pytest.approx(RULES.maximum_length_s, abs=WINDOW_S)


def test_between_the_thresholds_nothing_changes() -> None:
    """A probability between the two thresholds is what the window before was."""
    between = (RULES.speech_threshold + RULES.silence_threshold) / 2
    assert endpoint(run(windows(8, between))).reason is EndpointReason.NO_SPEECH
    over = endpoint(run(windows(1, SPEECH) + windows(1, between) + windows(3, SILENCE)))
    assert over.end_of_speech_offset == pytest.approx(2.0, abs=WINDOW_S)


def test_the_device_ends_it() -> None:
    """The device's last frame ends an utterance at once."""
    endpointer = Endpointer(RULES)
    for probability in windows(1, SPEECH):
        endpointer.window(probability)
    over = endpointer.device_ended()
    assert over.reason is EndpointReason.DEVICE
    assert over.end_of_speech_offset == pytest.approx(1.0, abs=WINDOW_S)
    assert endpointer.is_over


def test_the_audio_is_lost() -> None:
    """Frames that stop coming end it, with what was heard so far."""
    endpointer = Endpointer(RULES)
    for probability in windows(1, SPEECH):
        endpointer.window(probability)
    assert endpointer.audio_lost().reason is EndpointReason.AUDIO_LOST


def test_the_wake_word_is_not_listened_to() -> None:
    """Offsets count from the first sample also where listening began later."""
    endpointer = Endpointer(RULES, start_offset=0.7)
    (started,) = [event for probability in windows(0.5, SPEECH) if (event := endpointer.window(probability))]
    assert started == SpeechStarted(offset=pytest.approx(0.7))


def test_audio_that_nothing_judges_is_speech() -> None:
    """Without a detector all audio is speech and only its length ends it."""
    endpointer = Endpointer(RULES)
    assert endpointer.unjudged(0.04) == SpeechStarted(offset=0.0)
    assert endpointer.unjudged(0.04) is None
    assert endpointer.device_ended().end_of_speech_offset == pytest.approx(0.08)
    endless = Endpointer(RULES)
    ends = [event for _ in range(1000) if isinstance(event := endless.unjudged(0.04), Endpoint)]
    assert [end.reason for end in ends] == [EndpointReason.MAXIMUM_LENGTH]


@given(st.lists(st.floats(0, 1), max_size=2_000))
def test_whatever_is_heard_there_is_one_endpoint(probabilities: list[float]) -> None:
    """Events come in a sensible order, at most one of them an endpoint, and it is the last."""
    events = run(probabilities)
    assert sum(isinstance(event, Endpoint) for event in events[:-1]) == 0
    assert sum(isinstance(event, SpeechStarted) for event in events) <= 1
    expected: type = SpeechStarted
    for event in events:
        if isinstance(event, Endpoint):
            break
        assert isinstance(event, expected)
        expected = SpeechResumed if isinstance(event, SpeechPaused) else SpeechPaused
    longest = RULES.maximum_length_s / WINDOW_S + 1
    if len(probabilities) > longest:
        assert isinstance(events[-1], Endpoint)


@pytest.mark.parametrize(
    "values",
    [
        {"speech_threshold": 0.1},
        {"minimum_silence_s": 2.0},
        {"pause_s": 0.9},
        {"no_speech_timeout_s": 30.0},
    ],
)
def test_rules_that_contradict_each_other_are_refused(values: dict[str, float]) -> None:
    """Rules that can't hold together can't be made."""
    with pytest.raises(ValueError, match="<"):
        EndpointingRules(**values)
