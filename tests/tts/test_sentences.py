"""Where sentences end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot_tts.text.sentences import LONGEST, split

CASES = [
    "It is late.|Go to bed!|Are you sure?|Yes.",
    "Dr. Smith lives on Elm St. near Mr. Jones.|He is nice.",
    "It costs $3.50 today.|Tomorrow it costs more.",
    "The U.S. Senate met.|It was short.",
    "He moved to the U.S. The weather is better there.",
    "Meet at 5 p.m. tomorrow.|Bring e.g. apples, pears, etc.|Thanks.",
    "It opens at 9 a.m.|The doors close at noon.",
    "J. R. R. Tolkien wrote it.|C. S. Lewis did not.",
    "Version 2.0.1 is out.|Visit example.com now.",
    "No. 5 is alive.",
    "The answer is no.|Really.",
    "Wait... what?|I mean it...|Good.",
    "wait... what",
    'She said "Stop!"|Then she left.',
    "(It rained.)|We stayed.",
    "Yahoo! is a name.",
    "First line|Second line",
    "今天很好。|明天呢？|不知道！",
    "他说：“走吧。”|然后走了。",
    "价格是3.5元。|很便宜。",
    "真的吗?|真的!|好.|走吧",
    "等等……|好了。",
    "Hello 世界。|Good.",
    "One.|Two.|Three.",
    "Approx. 5 km.|Left on Main St.",
    "Paris is 22 °C.|Rome is warmer.",
    "1. Milk",
    "Is it?!|It is.",
]


@pytest.mark.parametrize("case", CASES)
def test_sentences_end_where_they_end(case) -> None:
    """Abbreviations, initials, decimals, quotes and ideographic stops are told apart."""
    text = case.replace("|", "\n" if "line" in case else " ")
    if text[0] >= "\u2e80":
        text = case.replace("|", "")
    expected = case.split("|")
    if case.startswith("He moved"):
        expected = ["He moved to the U.S.", "The weather is better there."]
    assert list(split(text)) == expected


def test_long_sentence_is_cut_at_a_comma() -> None:
    """A sentence without an end is cut behind its last comma that fits."""
    text = "one two three, " * 40
    pieces = list(split(text))
    assert all(piece.endswith("three,") for piece in pieces)
    assert all(len(piece) <= LONGEST for piece in pieces)


def test_long_chinese_sentence_is_cut_earlier() -> None:
    """Ideographs count three times: they take longer to say."""
    assert {len(piece) for piece in split("好" * 160)} == {80}


@given(text=st.text(alphabet=st.sampled_from("aB .!?,;。！？，\n\"'()…5好"), max_size=600))
def test_nothing_is_lost_or_too_long(text) -> None:
    """Sentences put together are the text, but for blanks; none is empty or longer than the limit."""
    pieces = list(split(text))
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(0 < len(piece) <= LONGEST for piece in pieces)
