"""Written forms to spoken ones, from a table for each locale."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from earshot_tts.text.mandarin_numbers import cardinal
from earshot_tts.text.spans import spans

TABLES = Path(__file__).parent / "normalisation"
LOCALES = ("en-US", "zh-CN")
_VALUES = {c: n for n, c in enumerate("零一二三四五六七八九")}
_PLACES = {"十": 10, "百": 100, "千": 1000}


def rows(locale: str) -> list[tuple[str, str]]:
    """Return a table's rows."""
    lines = (TABLES / f"{locale}.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if line and not line.startswith("# ")]


@pytest.mark.parametrize(
    ("locale", "written", "spoken"), [(locale, *row) for locale in LOCALES for row in rows(locale)]
)
def test_written_form_is_spoken(locale, written, spoken) -> None:
    """Each row's written form becomes its spoken form, as one sentence unless the row says otherwise."""
    assert " | ".join(span.text for span in spans(written, locale, locales=LOCALES)) == spoken


@pytest.mark.parametrize("locale", LOCALES)
def test_tables_are_large_enough(locale) -> None:
    """Each locale has a table of 150 rows at least, each written form once."""
    written = [row[0] for row in rows(locale)]
    assert len(written) >= 150
    assert len(set(written)) == len(written)


@pytest.mark.parametrize("locale", LOCALES)
@settings(max_examples=150)
@given(
    text=st.text(
        alphabet=st.sampled_from("0123456789 .,:;/-–—~^*×²+%$€°CFkmapMst'\"()#&@!?年月日点个第零元"), max_size=40
    )
)
def test_no_digit_or_sign_is_left(locale, text) -> None:
    """Whatever is written, nothing is left that an engine would read in its own way."""
    for span in spans(text, locale):
        assert not re.search(r"[0-9%$€°@#&+*^×²]", span.text)


@pytest.mark.parametrize("locale", LOCALES)
@settings(max_examples=150)
@given(text=st.text(max_size=80))
@example(text="a \U00016130 of a script younger than the interpreter")
def test_any_text_can_be_normalised(locale, text) -> None:
    """Whatever Unicode holds is spoken or left out; nothing that an engine can't take is left in it."""
    for span in spans(text, locale, locales=LOCALES):
        assert "\0" not in span.text
        span.text.encode()


@settings(max_examples=200)
@given(number=st.integers(min_value=0, max_value=10**16 - 1))
def test_chinese_cardinals_mean_their_number(number) -> None:
    """Reading a cardinal back gives the number."""
    assert meaning(cardinal(number)) == number


def meaning(words: str) -> int:
    """Return the number that Chinese words mean."""
    for name, unit in (("亿", 10**8), ("万", 10**4)):
        if name in words:
            # 万亿 holds 万 in front of 亿, so the last 亿 parts the number.
            high, _, low = words.rpartition(name)
            return meaning(high) * unit + (meaning(low) if low else 0)
    total, digit = 0, 0
    for character in words:
        if character in _PLACES:
            total += (digit or 1) * _PLACES[character]
            digit = 0
        else:
            digit = _VALUES[character]
    return total + digit


def test_chinese_words_in_english_have_a_chinese_voice() -> None:
    """A Chinese title in an English answer is a span of its own, in its own locale, in the same sentence."""
    found = list(spans("Playing 月亮代表我的心 by Teresa Teng.", "en-US", locales=LOCALES))
    assert [(span.text, span.locale, span.sentence_index) for span in found] == [
        ("Playing", "en-US", 0),
        ("月亮代表我的心", "zh-CN", 0),
        ("by Teresa Teng.", "en-US", 0),
    ]


def test_spans_are_worked_out_as_they_are_asked_for() -> None:
    """The first span of a long text is there at once."""
    endless = spans("One is first. " + "And 5 more. " * 400, "en-US")
    assert next(endless).text == "One is first."
    assert next(endless).sentence_index == 1


@pytest.mark.parametrize("text", ["", " ", "😀👍🏽", "\n\n", "…", "!?", "\u200b\u200d\ufeff", "\x00\x07", "**", "—"])
def test_what_has_no_sound_has_no_span(text) -> None:
    """Emoji, blanks, control characters and bare punctuation are nothing to say."""
    assert list(spans(text, "en-US")) == []
    assert list(spans(text, "zh-CN")) == []


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("part", ["1 - ", "3+", "5 × ", "5 m ", "1 d 1 h ", "2024-", "1:", "1,", "5/", "A."])
def test_long_text_takes_no_longer_than_its_length(locale, part) -> None:
    """Signs in a long row are no pattern that is tried in every way: the first span comes in a moment."""
    began = time.process_time()
    next(spans(part * 1000 + "1", locale, locales=LOCALES))
    assert time.process_time() - began < 5
