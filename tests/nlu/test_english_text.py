"""How English words are normalised before they are matched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.understanding import ENGLISH

ROWS = [
    ("What time is it?", "what time is it"),
    ("  what   time\tis\nit ", "what time is it"),
    ("WHAT TIME IS IT", "what time is it"),
    ("what's the time", "what is the time"),
    ("what’s the time", "what is the time"),
    ("whats the time", "what is the time"),
    ("where's my phone", "where is my phone"),
    ("how's the weather", "how is the weather"),
    ("it's five o'clock", "it is five o'clock"),
    ("five o clock", "five o'clock"),
    ("let's go", "let us go"),
    ("don't stop", "do not stop"),
    ("dont stop", "do not stop"),
    ("can't hear you", "can not hear you"),
    ("cannot hear you", "can not hear you"),
    ("won't", "will not"),
    ("I'm home", "i am home"),
    ("im home", "i am home"),
    ("you're great", "you are great"),
    ("I'll be there", "i will be there"),
    ("I've got it", "i have got it"),
    ("I'd like jazz", "i would like jazz"),
    ("gimme some rock", "give me some rock"),
    ("I wanna hear music", "i want to hear music"),
    ("OK, stop!", "okay stop"),
    ("Tokyo's weather", "tokyo's weather"),
    ("play, please; pause...", "play please pause"),
    ("volume to 50%", "volume to 50 percent"),
    ("50 % please", "50 percent please"),
    ("26°C", "26 degrees celsius"),
    ("80 °F", "80 degrees fahrenheit"),
    ("26℃ outside", "26 degrees celsius outside"),
    ("7 a.m. tomorrow", "7 am tomorrow"),
    ("7am tomorrow", "7 am tomorrow"),
    ("7 P M", "7 pm"),
    ("at 5:30", "at 5:30"),
    ("1,000 songs", "1000 songs"),
    ("3.5 hours", "3.5 hours"),
    ("the end. Next", "the end next"),
    ("twenty-five minutes", "twenty five minutes"),
    ("set it to -5", "set it to -5"),
    ("rock & roll", "rock and roll"),
    ("play 🎵 jazz 🎵", "play jazz"),
    ("👩‍👩‍👧 weather ☀️", "weather"),
    ("Ｗｈａｔ　ｔｉｍｅ", "what time"),
    ("São Paulo", "sao paulo"),
    ("Beyonce\u0301 songs", "beyonce songs"),
    ("“play” ‘jazz’", "play jazz"),
    ("U.S. news", "us news"),
    ("what\u200bs up", "what is up"),
    ("🙂🙂🙂", ""),
    ("?!…", ""),
    ("", ""),
]


@pytest.mark.parametrize(("said", "plain"), ROWS)
def test_english_is_normalised(said: str, plain: str) -> None:
    """Case, punctuation, emoji, full-width forms, accents and contractions make no difference."""
    assert ENGLISH.normalise(said).text == plain


@pytest.mark.parametrize(
    ("said", "bare"),
    [
        ("please stop", "stop"),
        ("stop please", "stop"),
        ("um what time is it", "what time is it"),
        ("hey can you play jazz for me", "play jazz"),
        ("could you please pause thank you", "pause"),
        ("okay well stop", "stop"),
        ("please", "please"),
        ("thank you", "thank you"),
        ("play please please me", "play please please me"),
    ],
)
def test_fillers_stand_at_the_ends(said: str, bare: str) -> None:
    """Politeness and hesitation are dropped at both ends, never in the middle, and never everything."""
    assert ENGLISH.without_fillers(ENGLISH.normalise(said)).text == bare


@given(st.text(max_size=60))
def test_any_text_normalises_and_leads_back(text: str) -> None:
    """Whatever is typed, every normalised character leads back into the source, in order."""
    tracked = ENGLISH.normalise(text)
    assert len(tracked.text) == len(tracked.starts) == len(tracked.ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(tracked.starts, tracked.ends, strict=True))
    assert list(tracked.starts) == sorted(tracked.starts)
    assert tracked.text == tracked.text.strip()


@given(st.text(alphabet="abcdeimnostuvw' ?!.%°0123456789-", max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """A normalised text is its own normal form, so a slot's words can be normalised again."""
    once = ENGLISH.normalise(text).text
    assert ENGLISH.normalise(once).text == once
