"""en-US: what is written with digits, signs and abbreviations, in words.

The order is the meaning: longer and more certain forms come first ("$3.5 million" before "$3.5" before "3.5"), and what
a rule has turned into words, no later rule sees as digits.
"""

from __future__ import annotations

import re

from earshot_tts.text import english_dates as dates
from earshot_tts.text import english_quantities as quantities
from earshot_tts.text.english_numbers import cardinal, ordinal, spelled, spoken
from earshot_tts.text.english_units import ABBREVIATIONS, SYMBOLS
from earshot_tts.text.rules import rewrite, rule

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
# A minus is a minus where nothing stands before it; between two numbers it is "to".
_SIGNED = rf"(?:(?<![\w.)])[-+])?(?:{_NUMBER})"

_VULGAR = {
    "½": "one half", "⅓": "one third", "⅔": "two thirds", "¼": "one quarter", "¾": "three quarters",
    "⅛": "one eighth", "⅜": "three eighths", "⅝": "five eighths", "⅞": "seven eighths",
}  # fmt: skip
_DENOMINATORS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth", 10: "tenth", 16: "sixteenth"}


def _fraction_words(numerator: int, denominator: int) -> str:
    name = _DENOMINATORS[denominator]
    plural = "halves" if name == "half" else f"{name}s"
    return f"{cardinal(numerator)} {name if numerator == 1 else plural}"


def _fraction(match: re.Match[str]) -> str:
    numerator, denominator = int(match["top"]), int(match["bottom"])
    if denominator not in _DENOMINATORS or not 0 < numerator < denominator:
        if numerator == denominator:
            return f"{cardinal(numerator)} {cardinal(denominator)}"
        if not match["whole"] and dates.is_date(numerator, denominator):
            return dates.month_and_day(numerator, denominator)
        return f"{cardinal(numerator)} over {cardinal(denominator)}"
    words = _fraction_words(numerator, denominator)
    if not match["whole"]:
        return words
    return f"{cardinal(int(match['whole']))} and {words.replace('one half', 'a half')}"


def _vulgar(match: re.Match[str]) -> str:
    words = _VULGAR[match["sign"]]
    return f"{spoken(match['whole'])} and {words.replace('one half', 'a half')}" if match["whole"] else words


def _web(match: re.Match[str]) -> str:
    host = match["host"].removeprefix("www.")
    return host.replace(".", " dot ").replace("-", " dash ")


def _email(match: re.Match[str]) -> str:
    return match[0].replace("@", " at ").replace(".", " dot ").replace("_", " underscore ").replace("-", " dash ")


def _phone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    return ", ".join(spelled(group) for group in groups)


def _street_or_saint(match: re.Match[str]) -> str:
    # "Main St. The" is told apart from "St. Louis" by what stands before: a name, or anything else.
    before = match.string[: match.start()].rstrip().rsplit(" ", 1)[-1]
    named = before[:1].isupper() and before not in {"The", "In", "At", "From", "To", "Near"}
    if named or not match["name"]:
        return "Street" + _stop_at_end(match)
    return "Saint"


def _doctor_or_drive(match: re.Match[str]) -> str:
    return "Doctor" if match["name"] else "Drive" + _stop_at_end(match)


def _stop_at_end(match: re.Match[str]) -> str:
    # An abbreviation's full stop that is the last character ends the sentence as well.
    return "." if match.end() == len(match.string) else ""


def _initials(match: re.Match[str]) -> str:
    letters = " ".join(match[0].replace(".", " ").split())
    return letters + (_stop_at_end(match) or (" " if match[0].endswith(" ") else ""))


def _symbol(match: re.Match[str]) -> str:
    return f" {SYMBOLS[match[0]]} "


_RULES = (
    rule(
        r"\bhttps?://(?P<host>[\w.-]+\w)(?:[/?#]\S*\w/?)?|\b(?P<www>(?=www\.))(?P<bare>www\.[\w.-]+\w)(?:/\S*\w/?)?",
        lambda m: _web(m) if m["host"] else m["bare"].removeprefix("www.").replace(".", " dot "),
    ),
    rule(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", _email),
    # Abbreviations that need their full stop to be recognised, before full stops are looked at.
    rule(r"\bDr\.(?=(?P<name>\s+[A-Z])?)", _doctor_or_drive),
    rule(r"\bSt\.(?=(?P<name>\s+[A-Z])?)", _street_or_saint),
    rule(r"\bPh\.?\s?D\b\.?", lambda m: "P H D" + (_stop_at_end(m) if m[0].endswith(".") else "")),
    rule(r"\b(?:No|no|Nos|nos)\.\s*(?=\d)", "number "),
    rule(
        rf"\b(?P<short>{'|'.join(re.escape(a) for a in sorted(ABBREVIATIONS, key=len, reverse=True))})\.(?=[\s,;:)]|$)",
        lambda m: ABBREVIATIONS[m["short"]] + _stop_at_end(m),
    ),
    *dates.RULES,
    *quantities.RULES,
    rule(r"\b24/7\b", "twenty-four seven"),
    rule(rf"(?:(?P<whole>\d+)\s?)?(?P<sign>[{''.join(_VULGAR)}])", _vulgar),
    rule(r"(?<![\d/.])(?:(?P<whole>\d{1,3})\s+)?(?P<top>\d{1,3})/(?P<bottom>\d{1,3})(?![\d/])", _fraction),
    rule(
        r"(?<![\w.])\+?(?:1[ -])?\(?\d{3}\)?[ -]\d{3}-\d{4}\b|(?<![\w.-])\d{3}-\d{4}\b|\+\d{1,3}(?:[ -]\d{2,4}){2,4}\b",
        _phone,
    ),
    rule(r"\b(?P<number>\d{1,9}(?:,\d{3})*)(?:st|nd|rd|th)\b", lambda m: ordinal(int(m["number"].replace(",", "")))),
    rule(rf"(?<=\d)\s?[-–]\s?(?=(?:{_NUMBER})(?![\w-]))", " to "),
    rule(r"#\s?(?=\d)", "number "),
    # "COVID-19" and "8-year-old": a hyphen beside a number is neither a minus nor part of it.
    rule(r"(?<=[A-Za-z])-(?=\d)|(?<=\d)-(?=[A-Za-z])|(?<=old)-|-(?=old\b)", " "),
    rule(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])", lambda m: " point ".join(spoken(part) for part in m[0].split("."))),
    rule(r"(?<=\d)\s?[x×]\s?(?=\d)", " by "),
    rule(_SIGNED, lambda m: f" {spoken(m[0])} "),
    rule(r"\b(?:[A-Z]\.\s?){2,}", _initials),
    rule(r"\b(?P<letter>[A-Z])\.(?=\s+[A-Z])", r"\g<letter>"),
    rule(r"\band/or\b", "and or"),
    rule(r"(?<=\w)/(?=\w)", " "),
    rule(rf"[{re.escape(''.join(SYMBOLS))}]", _symbol),
    rule(r"\s+(?=[,.;:!?)])", ""),
    rule(r"\s{2,}", " "),
)
# Nothing to do: words, and a full stop that no abbreviation is short enough for.
_PLAIN = re.compile(r"[A-Za-z ,;:!?'-]*(?:[A-Za-z]{7,}\.)?")


def normalise(sentence: str) -> str:
    """Return one cleaned sentence in words."""
    if _PLAIN.fullmatch(sentence):
        return sentence
    return rewrite(sentence, _RULES).strip()
