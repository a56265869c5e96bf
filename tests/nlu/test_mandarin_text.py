"""How Mandarin words are normalised before they are matched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot_nlu.understanding.mandarin import numbers
from support.understanding import MANDARIN

ROWS = [
    ("现在几点了？", "现在几点了"),
    ("现在几点了?", "现在几点了"),
    ("现在 几点 了", "现在几点了"),
    ("　现在　几点　", "现在几点"),
    ("现在，几点了。", "现在几点了"),
    ("现在、几点", "现在几点"),
    ("“现在”几点", "现在几点"),
    ("《月亮代表我的心》", "月亮代表我的心"),
    ("（东京）几点", "东京几点"),
    ("现在几点了！！！", "现在几点了"),
    ("现在几点……", "现在几点"),
    ("现在几点～", "现在几点"),
    ("🎵播放音乐🎵", "播放音乐"),
    ("播放音乐😀", "播放音乐"),
    ("播放 Taylor Swift 的歌", "播放taylor swift的歌"),
    ("播放Taylor  Swift的歌", "播放taylor swift的歌"),
    ("ＰＬＡＹ 音乐", "play音乐"),
    ("音量调到５０", "音量调到50"),
    ("音量调到 50", "音量调到50"),
    ("音量调到50%", "音量调到50%"),
    ("音量调到５０％", "音量调到50%"),
    ("２６℃", "26度"),
    ("26°C", "26度"),
    ("26 °", "26度"),
    ("二十六摄氏度", "二十六度"),
    ("15：30", "15:30"),
    ("１５：３０", "15:30"),
    ("3.5小时", "3.5小时"),
    ("3．5小时", "3.5小时"),
    ("1，000首", "1000首"),
    ("您好", "你好"),
    ("怎麼样", "怎么样"),
    ("甚么时候", "什么时候"),
    ("三点种", "三点钟"),
    ("明天\n天气", "明天天气"),
    ("北京——天气", "北京天气"),
    ("北京-天气", "北京天气"),
    ("零下-5度", "零下-5度"),
    ("二〇二六年", "二〇二六年"),
    ("A B C", "a b c"),
    ("ABC 歌 DEF", "abc歌def"),
    ("☀️天气☔", "天气"),
    ("👨‍👩‍👧", ""),
    ("。。。", ""),
    ("", ""),
]


@pytest.mark.parametrize(("said", "plain"), ROWS)
def test_mandarin_is_normalised(said: str, plain: str) -> None:
    """Spaces beside Han characters, punctuation, emoji and full-width forms make no difference."""
    assert MANDARIN.normalise(said).text == plain


@pytest.mark.parametrize(
    ("said", "bare"),
    [
        ("请问现在几点", "现在几点"),
        ("麻烦你播放音乐谢谢", "播放音乐"),
        ("嗯帮我停一下", "停"),
        ("播放音乐吧", "播放音乐"),
        ("谢谢", "谢谢"),
        ("邀请朋友", "邀请朋友"),
    ],
)
def test_fillers_stand_at_the_ends(said: str, bare: str) -> None:
    """Politeness and hesitation are dropped at both ends, never in the middle, and never everything."""
    assert MANDARIN.without_fillers(MANDARIN.normalise(said)).text == bare


@given(st.text(max_size=60))
def test_any_text_normalises_and_leads_back(text: str) -> None:
    """Whatever is typed, every normalised character leads back into the source, in order."""
    tracked = MANDARIN.normalise(text)
    assert len(tracked.text) == len(tracked.starts) == len(tracked.ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(tracked.starts, tracked.ends, strict=True))
    assert list(tracked.starts) == sorted(tracked.starts)


@given(st.text(alphabet="现在几点了北京天气三十五abc ，。%度0123456789", max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """A normalised text is its own normal form, so a slot's words can be normalised again."""
    once = MANDARIN.normalise(text).text
    assert MANDARIN.normalise(once).text == once


@pytest.mark.parametrize("said", ["零十一", "百百", "音量零十一"])
def test_what_is_no_numeral_stays_as_it_was_said(said: str) -> None:
    """Characters of numerals in an order that is none."""
    assert numbers.digits(said).text == said
