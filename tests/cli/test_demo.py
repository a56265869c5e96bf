"""What the demonstration takes for right."""

import pytest

from earshot_cli.demo import TURNS, wrong

RIGHT = {
    "kind": "answered",
    "intent": "weather.get_forecast",
    "slots": {"city": "paris", "date": "2026-11-23"},
    "answer": "Tomorrow in Paris …",
    "first_audio_s": 0.4,
    "answer_wav": "answer.wav",
}
WEATHER = TURNS[2]


def test_a_right_turn_is_right():
    """Words are compared without regard to case; a slot without a wanted value must be filled."""
    assert wrong(WEATHER, RIGHT) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "apologised"}, "apologised"),
        ({"kind": None}, "abandoned"),
        ({"intent": "clock.get_time"}, "clock.get_time"),
        ({"slots": {"city": "London", "date": "x"}}, "London"),
        ({"slots": {"city": "Paris"}}, "date"),
        ({"answer": ""}, "no answer"),
        ({"first_audio_s": None}, "not heard"),
        ({"answer_wav": ""}, "not heard"),
    ],
)
def test_what_is_wrong_is_named(change, said):
    """Each way to be wrong is found and said."""
    assert said in wrong(WEATHER, RIGHT | change)


def test_both_locales_are_shown():
    """The demonstration speaks English and Mandarin."""
    assert {turn.locale for turn in TURNS} == {"en-US", "zh-CN"}
