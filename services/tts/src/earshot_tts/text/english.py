"""en-US: what is written with digits, signs and abbreviations, in words.

The order is the meaning: longer and more certain forms come first ("$3.5 million" before "$3.5" before "3.5"), and what
a rule has turned into words, no later rule sees as digits.
"""

from __future__ import annotations

import re

from earshot_tts.text import english_codes as codes
from earshot_tts.text import english_dates as dates
from earshot_tts.text import english_quantities as quantities
from earshot_tts.text import english_words as words
from earshot_tts.text.english_numbers import cardinal, ordinal, spoken, year
from earshot_tts.text.english_units import MAGNITUDES
from earshot_tts.text.rules import rewrite, rule

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
# A minus is a minus where nothing stands before it; between two numbers it is "to".
_SIGNED = rf"(?:(?<![\w.)])[-+])?(?:{_NUMBER})"
# What is all in capitals is no row of initials.
_SHOUTED = re.compile(r"(?=(?:.*?\b[A-Z]{2,}\b){3})[^a-z]*")

_VULGAR = {
    "½": "one half", "⅓": "one third", "⅔": "two thirds", "¼": "one quarter", "¾": "three quarters",
    "⅛": "one eighth", "⅜": "three eighths", "⅝": "five eighths", "⅞": "seven eighths",
}  # fmt: skip
_DENOMINATORS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth", 10: "tenth", 16: "sixteenth"}


def _fraction(match: re.Match[str]) -> str:
    top, bottom, whole = int(match["top"]), int(match["bottom"]), match["whole"]
    if bottom in _DENOMINATORS and 0 < top < bottom:
        name = _DENOMINATORS[bottom]
        plural = "halves" if name == "half" else f"{name}s"
        part = f"{cardinal(top)} {name if top == 1 else plural}"
        return _with_whole(whole, part)
    lead = f"{cardinal(int(whole))} " if whole else ""
    if top == bottom:
        return f"{lead}{cardinal(top)} {cardinal(bottom)}"
    if not whole and dates.is_date(top, bottom):
        return dates.month_and_day(top, bottom)
    return f"{lead}{cardinal(top)} over {cardinal(bottom)}"


def _vulgar(match: re.Match[str]) -> str:
    return _with_whole(match["whole"], _VULGAR[match["sign"]])


def _with_whole(whole: str | None, part: str) -> str:
    return f"{cardinal(int(whole))} and {part.replace('one half', 'a half')}" if whole else part


def _number(match: re.Match[str]) -> str:
    written = match[0]
    # "1989", "1500": said in two halves, whether it is a year or not.
    said = year(int(written)) if re.fullmatch(r"1[1-9]\d\d", written) else spoken(written)
    before = match.string[match.start() - 1 : match.start()]
    after = match.string[match.end() : match.end() + 1]
    return f"{' ' if before.isalpha() else ''}{said}{' ' if after.isalpha() else ''}"


_RULES = (
    *words.OPENING,
    *dates.RULES,
    *quantities.RULES,
    *codes.RULES,
    rule(r"\b24/7\b", "twenty-four seven"),
    rule(r"(?<=\dst|\dnd|\drd|\dth)/(?=\d)", " or "),
    rule(r"\b(?P<points>\d+\.\d+)/(?P<most>\d+)\b", lambda m: f"{spoken(m['points'])} out of {spoken(m['most'])}"),
    rule(rf"(?:(?P<whole>\d+)\s?)?(?P<sign>[{''.join(_VULGAR)}])", _vulgar),
    rule(r"(?<![\d/.])(?:(?P<whole>\d{1,3})\s+)?(?P<top>\d{1,3})/(?P<bottom>\d{1,3})(?![\d/])", _fraction),
    rule(r"\b(?P<number>\d{1,9}(?:,\d{3})*)(?:st|nd|rd|th)\b", lambda m: ordinal(int(m["number"].replace(",", "")))),
    rule(rf"(?<=\d)\s?-\s?(?=-?(?:{_NUMBER})(?![\w-]))", " to "),
    # What no clock shows is a ratio or a score.
    rule(r"(?<=\d):(?=\d)", " to "),
    rule(r"#\s?(?=\d)", "number "),
    rule(r"(?<=\w)\^(?=[-\w(])", " to the power of "),
    # "COVID-19" and "8-year-old": a hyphen beside a number is neither a minus nor part of it.
    rule(r"(?<=[A-Za-z])-(?=\d)|(?<=\d)-(?=[A-Za-z])|(?<=old)-|-(?=old\b)", " "),
    rule(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])", lambda m: " point ".join(spoken(part) for part in m[0].split("."))),
    rule(r"(?<=\d)\s?x\s?(?=\d)", " by "),
    rule(r"(?<=\d)x(?!\w)", " times"),
    rule(
        rf"\b(?P<count>{_NUMBER})\s?(?P<large>M(?= [a-z])|(?:bn|mn|tn)\b)",
        lambda m: f"{spoken(m['count'])} {MAGNITUDES[m['large']]}",
    ),
    rule(_SIGNED, _number),
    *words.CLOSING,
)
# Nothing to do: words without a numeral, and a full stop that no abbreviation is short enough for.
_PLAIN = re.compile(r"(?!.*(?:[A-Z]{2}|\b[VXL]\b|[a-z]-[A-Z]))[A-Za-z ,;:!?'-]*(?:[A-Za-z]{7,}\.)?")


def normalise(sentence: str) -> str:
    """Return one cleaned sentence in words."""
    if _PLAIN.fullmatch(sentence):
        return sentence
    if _SHOUTED.fullmatch(sentence):
        sentence = sentence.capitalize()
    return rewrite(sentence, _RULES).strip()
