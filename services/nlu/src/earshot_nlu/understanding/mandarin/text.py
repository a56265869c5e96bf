"""Normalises Mandarin: no spaces beside Han characters, full-width forms half-width, punctuation gone."""

from __future__ import annotations

import re

from earshot_nlu.understanding.characters import normalised
from earshot_nlu.understanding.tracked import Tracked

HAN = "\u4e00-\u9fff\u3400-\u4dbf〇"
_SPACES = re.compile(r"\s+")
_BESIDE_HAN = re.compile(rf"(?<=[{HAN}])\s+|\s+(?=[{HAN}])")
_RULES = (
    (re.compile(r"°c|摄氏度"), "度"),
    (re.compile(r"°"), "度"),
    (re.compile(r"[甚什]麽|甚么"), "什么"),
    (re.compile(r"怎麼|怎麽"), "怎么"),
    (re.compile(r"点种"), "点钟"),
    (re.compile(r"[您]"), "你"),
)
_LEADING = re.compile(
    r"(?:请问一下|请问|请你|请|麻烦你|麻烦|劳驾|帮我|给我|帮忙|你好|喂|嗯+|呃+|额|那个|那么|好的|我想要|我想|我要|能不能|可不可以"
    r"|你能|你可以|可以)+"
)
_TRAILING = re.compile(r"(?:谢谢你|谢谢|好吗|好不好|可以吗|行吗|吧|呢|啊|呀|哦|嘛|啦|一下)+$")


def normalise(text: str) -> Tracked:
    """Return the words without spaces beside Han characters; Latin words stay apart by single spaces."""
    tracked = normalised(text)
    for found, written in _RULES:
        tracked = tracked.sub(found, written)
    return tracked.sub(_SPACES, " ").strip().sub(_BESIDE_HAN, "")


def without_fillers(tracked: Tracked) -> Tracked:
    """Return the text without politeness and hesitation at its ends, unless nothing else is left."""
    lead = _LEADING.match(tracked.text)
    start = lead.end() if lead else 0
    trail = _TRAILING.search(tracked.text, start)
    end = trail.start() if trail else len(tracked.text)
    if (start == 0 and end == len(tracked.text)) or start >= end:
        return tracked
    return tracked.slice(start, end)
