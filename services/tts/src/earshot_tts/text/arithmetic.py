"""Signs that are arithmetic or a range by what stands around them, in any language: each gets a sign of its own.

An asterisk is markup too, a hyphen is one as well, a slash is a fraction's; from here on "×", "−" and "÷" are arithmetic and
nothing else, and a hyphen between two numbers is a range.
"""

from __future__ import annotations

import regex

_TERM = r"[\d(（]"
# What is left of an equation up to its sign: "5-3=2", "10-3-2 = 5".
_EQUATION = r"(?=[\d.]{1,15}(?:\s?[-−+*×/÷]\s?[\d.]{1,15}){0,8}\s?=)"
_TIMES = regex.compile(rf"(?<=[\d)）])\s?(?<!\*)\*(?!\*)\s?(?={_TERM}|[a-z]\b)|(?<=\b[a-z])\*(?=[a-z\d]\b)")
_POWER = regex.compile(r"(?<=\b\d+)\*\*(?=\d+\b)")
_TENFOLD = regex.compile(r"(?<=\b\d(?:\.\d+)?)e\+?(?=-?\d{1,2}\b)")
_LESS = regex.compile(rf"(?<=[\d)）])\s?-\s?{_EQUATION}|(?<==\s?\d+)\s?-\s?(?=\d)|(?<=[\d)）])\s?−\s?(?={_TERM})")
_OVER = regex.compile(rf"(?<=\d)\s?/\s?{_EQUATION}|(?<==\s?\d+)\s?/\s?(?=\d)")
_NEGATIVE = regex.compile(r"(?<![\d)）]\s?)−")
_RANGE = regex.compile(
    r"(?<=[\d%‰°日号月年点分元时度]|°[CF]|\d\s?[A-Za-z/²]{1,5}|[AaPp]\.[Mm]\.)(?:\s?[–~～〜]\s?|—)(?=[-$€£¥￥]?\d|[A-Z][a-z]+\.? \d)"
)


def mark(text: str) -> str:
    """Return text with times, minus, divided by and ranges told apart from markup, hyphens and dashes."""
    text = _NEGATIVE.sub("-", text)
    text = _POWER.sub("^", text)
    text = _TENFOLD.sub(" × 10^", text)
    text = _TIMES.sub(" × ", text)
    text = _LESS.sub(" − ", text)
    text = _OVER.sub(" ÷ ", text)
    ranged: str = _RANGE.sub("-", text)
    return ranged
