"""en-US: telephone numbers, cards and codes, digit by digit."""

from __future__ import annotations

import re

from earshot_tts.text.english_numbers import spelled
from earshot_tts.text.rules import rule

# Any number behind these is a code.
_CODES = (
    "[Cc]ode|[Pp]asscode|[Pp]assword|PIN|[Zz][Ii][Pp]|[Pp]ostcode|[Aa]ccount|[Cc]onfirmation|[Rr]eference|[Tt]racking|[Ss]erial"
    "|[Ee]xtension|[Ee]xt|ID|[Pp]hone|[Ff]ax|[Tt]elephone"
)
# Something may be counted behind these: a code is long, or said to be a number.
_COUNTABLE = "[Oo]rder|[Tt]icket|[Ii]nvoice|[Cc]ase|[Cc]ard|[Bb]ooking"
_IS = r"(?:\s(?:code|number|is|no\.?))*:?\s"
_DIGITS = r"(?P<digits>\d+(?:[ -]\d+)*)(?![\d%]|[.,:/]\d)"
# Seven digits in America, ten with or without the country's, any number with its country's.
_TELEPHONE = (
    r"(?<![\w.-])(?:(?:\+?1[ .-]?)?(?:\(\d{3}\)\s?|\d{3}[ .-])\d{3}[ .-]\d{4}|\d{3}-\d{4}|\+\d{1,3}(?:[ -]?\(?\d{2,11}\)?){1,5})"
    r"(?!\w|[.-]\d)"
)


def _grouped(match: re.Match[str]) -> str:
    return ", ".join("X" if group == "X" else spelled(group) for group in re.findall(r"\d+|X", match[0]))


def _after_cue(match: re.Match[str]) -> str:
    return match["cue"] + ", ".join(spelled(group) for group in re.findall(r"\d+", match["digits"]))


RULES = (
    rule(r"(?<=ISBN )(?:97[89][ -]?)?\d[\d -]{8,12}[\dX]\b|(?<![\w.,-])\d{4}(?:[ -]\d{4}){3}\b", _grouped),
    rule(_TELEPHONE, _grouped),
    rule(r"(?<![\w.,$-])\d{11,}(?![\w,]|\.\d)", _grouped),
    rule(rf"(?P<cue>\b(?:{_CODES}){_IS}#?(?=\d{{3}}|\d{{1,2}}[ -]\d)){_DIGITS}", _after_cue),
    rule(rf"(?P<cue>\b(?:{_COUNTABLE}){_IS}(?=\d{{5}})){_DIGITS}", _after_cue),
    rule(
        rf"\b(?P<cue>(?:{_COUNTABLE}){_IS})(?:#|number )(?=\d{{3}}){_DIGITS}",
        lambda m: f"{m['cue']}number {spelled(m['digits'])}",
    ),
    rule(
        r"\b(?P<cue>(?:[Cc]all|[Dd]ial|[Tt]ext|[Pp]hone)(?:ed|ing)?\s)(?P<digits>[2-9]11|112|999|000|\d{4,6})\b(?![-.,:/]\d)",
        _after_cue,
    ),
    rule(r"\b(?P<cue>[A-Z])\.(?P<digits>\d{3})\b", lambda m: f"{m['cue']} {spelled(m['digits'])}"),
)
"""After dates and quantities, which have digits and hyphens too."""
