"""en-US: addresses, abbreviations, Roman numerals and signs in words."""

from __future__ import annotations

import re

from earshot_tts.text.english_numbers import cardinal, ordinal
from earshot_tts.text.english_units import ABBREVIATIONS, COMPASS, SYMBOLS, UNITS
from earshot_tts.text.initials import LETTERS
from earshot_tts.text.rules import BARE_HOST, rule

_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50}
_ROMAN = r"(?=[IVXL])(?:XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_COUNTED_BY_ROMANS = (
    "Chapter|Part|Volume|Act|Scene|War|Section|Title|Phase|Type|Class|Book|Bowl|Episode|Level|Stage|Final Fantasy"
)
_PER = (
    "day|week|month|year|hour|minute|second|night|person|kilo|kilogram|kilometer|mile|pound|liter|piece|each|game|use"
)
_BEFORE_STREETS = {"The", "In", "At", "From", "To", "Near"}


def stop_at_end(match: re.Match[str]) -> str:
    """Return a full stop if the match ends the sentence: an abbreviation's is the sentence's as well."""
    return "." if match.end() == len(match.string) else ""


def _roman(numeral: str) -> int:
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def _web(match: re.Match[str]) -> str:
    return (match["host"] or match["bare"]).removeprefix("www.").replace(".", " dot ").replace("-", " dash ")


def _email(match: re.Match[str]) -> str:
    return match[0].replace("@", " at ").replace(".", " dot ").replace("_", " underscore ").replace("-", " dash ")


def _street_or_saint(match: re.Match[str]) -> str:
    # "Main St. The" is told apart from "St. Louis" by what stands before: a name, or anything else.
    before = match.string[: match.start()].rstrip().rsplit(" ", 1)[-1]
    named = before[:1].isupper() and before not in _BEFORE_STREETS
    return "Street" + stop_at_end(match) if named or not match["name"] else "Saint"


def _doctor_or_drive(match: re.Match[str]) -> str:
    return "Doctor" if match["name"] else "Drive" + stop_at_end(match)


def _initials(match: re.Match[str]) -> str:
    letters = " ".join(match[0].replace(".", " ").split())
    return letters + (stop_at_end(match) or (" " if match[0].endswith(" ") else ""))


# "min." is minutes behind a number and a minimum anywhere else.
_UNITS = "|".join(ABBREVIATIONS.keys() & UNITS.keys())
_SHORT = "|".join(re.escape(short) for short in sorted(ABBREVIATIONS.keys() - UNITS.keys(), key=len, reverse=True))

OPENING = (
    rule(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", _email),
    rule(rf"\b(?:https?://(?P<host>[\w.-]+\w)|(?P<bare>{BARE_HOST}))(?::\d+)?(?:[/?#](?:\S*\w)?/?)?", _web),
    # Abbreviations that need their full stop to be recognised, before full stops are looked at.
    rule(r"\bDr\.(?=(?P<name>\s+[A-Z])?)", _doctor_or_drive),
    rule(r"\bSt\.(?=(?P<name>\s+[A-Z])?)", _street_or_saint),
    rule(r"\bPh\.?\s?D\b\.?", lambda m: "P H D" + (stop_at_end(m) if m[0].endswith(".") else "")),
    rule(r"\b(?:No|no|Nos|nos)\.\s*(?=\d)", "number "),
    rule(r"\bp\.\s?(?=\d)", "page "),
    rule(r"\bpp\.\s?(?=\d)", "pages "),
    rule(
        rf"(?<!\d)(?<!\d\s)\b(?P<short>{_UNITS})\.(?=[\s,;:)]|$)", lambda m: ABBREVIATIONS[m["short"]] + stop_at_end(m)
    ),
    rule(rf"\b(?P<short>{_SHORT})\.(?=[\s,;:)]|$)", lambda m: ABBREVIATIONS[m["short"]] + stop_at_end(m)),
    rule(
        rf"\b(?P<what>{_COUNTED_BY_ROMANS}|(?:volume|chapter|section|part|figure)(?= [IVXL]{{2}})) (?P<numeral>{_ROMAN})\b",
        lambda m: f"{m['what']} {cardinal(_roman(m['numeral']))}",
    ),
    rule(
        rf"\b(?P<name>[A-Z][a-z]+) (?P<numeral>(?=[IVX]{{2}}|V\b){_ROMAN})\b(?!\.)",
        lambda m: f"{m['name']} the {ordinal(_roman(m['numeral']))}",
    ),
    rule(r"\b(?P<letter>[CF])#", r"\g<letter> sharp"),
)
"""Before anything else."""

CLOSING = (
    rule(r"\b(?:[A-Z]\.\s?){2,}", _initials),
    rule(r"\b(?P<letter>[A-Z])\.(?=\s+[A-Z])", r"\g<letter>"),
    rule(r"\band/or\b", "and or"),
    rule(rf"(?<=\w)/(?=(?:{_PER})\b)", " per "),
    rule(r"(?<=\w)/(?=\w)", " "),
    rule(rf"[{re.escape(''.join(SYMBOLS))}]", lambda m: f" {SYMBOLS[m[0]]} "),
    rule(rf"\b(?:{'|'.join(COMPASS)})\b", lambda m: COMPASS[m[0]]),
    LETTERS,
    rule(r"\s+(?=[,.;:!?)])", ""),
    rule(r"\s{2,}", " "),
)
"""After everything else: no digits are left."""
