"""en-US: money, percentages, temperatures and measures in words."""

from __future__ import annotations

import re

from earshot_tts.text.english_numbers import cardinal, quantity, spoken
from earshot_tts.text.english_units import CURRENCY_CODES, CURRENCY_SIGNS, MAGNITUDES, UNITS
from earshot_tts.text.english_words import stop_at_end
from earshot_tts.text.rules import rule

_AMOUNT = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_SIGNED = rf"(?:(?<![\w.)%°])-)?(?:{_AMOUNT})"
_MEASURED = rf"(?:(?P<low>{_SIGNED})(?:\s?(?:%|°[CF]?))?\s?(?:-|to)\s?)?(?P<amount>{_SIGNED})"
_SYMBOLS = "".join(re.escape(sign) for sign in CURRENCY_SIGNS)
_LARGE = r"thousand|million|billion|trillion"


def _low(match: re.Match[str]) -> str:
    return f"{spoken(match['low'])} to " if match["low"] else ""


def _money(match: re.Match[str]) -> str:
    one, many, cent, cents = CURRENCY_SIGNS[match["currency"]]
    minus = "minus " if match["minus"] else ""
    high = f" to {spoken(match['high'])}" if match["high"] else ""
    magnitude = match["magnitude"] or ""
    amount = match["amount"]
    if magnitude:
        large = MAGNITUDES.get(magnitude.strip(), magnitude.strip())
        return f"{minus}{spoken(amount)}{high} {large} {many}"
    whole, _, fraction = amount.replace(",", "").partition(".")
    if len(fraction) != 2 or not cent or high:
        return f"{minus}{spoken(amount)}{high} {one if quantity(amount) and not high else many}"
    units, hundredths = int(whole or "0"), int(fraction)
    parts = []
    if units or not hundredths:
        parts.append(f"{cardinal(units)} {one if units == 1 else many}")
    if hundredths:
        parts.append(f"{cardinal(hundredths)} {cent if hundredths == 1 else cents}")
    return minus + " and ".join(parts)


def _currency_code(match: re.Match[str]) -> str:
    from babel.numbers import get_currency_name  # noqa: PLC0415 - loads the locale's data

    amount = match["before"] or match["after"]
    code = match["code"] or match["code_first"]
    count = 1 if quantity(amount) else 2
    large = f" {match['large']}" if match["large"] else ""
    return f"{spoken(amount)}{large} {get_currency_name(code, 1 if count == 1 and not large else 2, locale='en_US')}"


def _percent(match: re.Match[str]) -> str:
    return f"{_low(match)}{spoken(match['amount'])} percent"


def _degrees(match: re.Match[str]) -> str:
    scale = {"C": " Celsius", "F": " Fahrenheit", "K": " Kelvin"}.get((match["scale"] or "").upper(), "")
    singular = quantity(match["amount"]) and not match["low"]
    return f"{_low(match)}{spoken(match['amount'])} {'degree' if singular else 'degrees'}{scale}"


def _measure(match: re.Match[str]) -> str:
    one, many = UNITS[match["unit"]]
    singular = quantity(match["amount"]) and not match["low"]
    # "5 in.": a full stop that a unit needs is the sentence's too at its end; any other unit's is no sound.
    stop = stop_at_end(match) if match["unit"].endswith(".") else ""
    return f"{_low(match)}{spoken(match['amount'])} {one if singular else many}{stop}{', ' if match['next'] else ''}"


def _dimensions(match: re.Match[str]) -> str:
    return re.sub(r"\s?[x×]\s?", " by ", match[0])


def _duration(match: re.Match[str]) -> str:
    return " ".join(
        f"{cardinal(int(count))} {_PERIODS[sign]}{'' if int(count) == 1 else 's'}"
        for count, sign in re.findall(r"(\d+)\s?([dhms])", match[0])
    )


def _feet_and_inches(match: re.Match[str]) -> str:
    feet, inches = int(match["feet"]), int(match["inches"])
    return (
        f"{cardinal(feet)} {'foot' if feet == 1 else 'feet'} {cardinal(inches)} {'inch' if inches == 1 else 'inches'}"
    )


_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_CODES = "|".join(CURRENCY_CODES)
_PERIODS = {"d": "day", "h": "hour", "m": "minute", "s": "second"}

RULES = (
    # Commas for full stops, as much of Europe writes numbers: 1.234,50 €, 1,5 kg.
    rule(
        rf"(?<![\d.,])(?P<whole>\d{{1,3}}(?:\.\d{{3}})+),(?P<cents>\d\d)(?![\d,])"
        rf"|(?<![\d.,])(?P<units>\d+),(?P<tenths>\d{{1,2}})(?=(?<=€\d,\d\d)(?!\d)|(?<=€\d\d,\d\d)(?!\d)|\s?(?:{_UNIT}|[%°€])(?!\w))",
        lambda m: f"{(m['whole'] or m['units']).replace('.', '')}.{m['cents'] or m['tenths']}",
    ),
    # "5m 30s" is a time, "5 × 3 m" an area.
    rule(
        r"(?<![\w.])(?=\d+ ?(?:d ?\d+ ?[hm]|h ?\d+ ?[ms]|m ?\d+ ?s)(?![A-Za-z]))(?:\d+ ?[dhms] ?)+(?<! )(?!\w)",
        _duration,
    ),
    rule(
        rf"(?<![\w.])(?:{_AMOUNT})(?:\s?(?:(?:{_UNIT})\s?)?[x×]\s?(?:{_AMOUNT})){{1,2}}(?=\s?(?:{_UNIT})(?![\w/²³]))",
        _dimensions,
    ),
    rule(rf"(?<![\w.,€£])(?P<amount>{_AMOUNT})\s?(?P<sign>[€£])(?!\d)", r"\g<sign>\g<amount>"),
    rule(rf"(?P<from>\d\s?(?:{_UNIT}))\s?-\s?(?=\d)", r"\g<from> to "),
    rule(
        rf"(?P<minus>(?<![\w.)])-)?(?:US|A|C)?(?P<currency>[{_SYMBOLS}])\s?(?P<amount>{_AMOUNT})"
        rf"(?:(?:[kKMBT]|bn)?\s?-\s?[{_SYMBOLS}]?(?P<high>{_AMOUNT}))?(?P<magnitude>\s(?:{_LARGE})\b|\s?(?:bn|mn|tn)\b|[kKMmBbT]\b(?!-))?(?:\sUSD\b)?",
        _money,
    ),
    rule(
        rf"\b(?:(?P<before>{_AMOUNT})(?:\s(?P<large>{_LARGE}))?\s?(?P<code>{_CODES})"
        rf"|(?P<code_first>{_CODES})\s?(?P<after>{_AMOUNT}))\b",
        _currency_code,
    ),
    rule(rf"{_MEASURED}\s?%", _percent),
    rule(rf"{_MEASURED}\s?°\s?(?P<scale>[CFKcf]\b)?", _degrees),
    rule(r"\b(?P<feet>\d{1,2})'\s?(?P<inches>\d{1,2})(?:\"|'')", _feet_and_inches),
    rule(r"\b(?P<high>\d{2,3})/(?P<low>\d{2,3})(?=\s?mmHg\b)", lambda m: f"{cardinal(int(m['high']))} over {m['low']}"),
    rule(
        rf"(?<![\w.]){_MEASURED}\s?(?P<unit>{_UNIT})(?![\w²³]|/[A-Za-z])(?:\.(?=\s+[a-z\d(]))?(?P<next>/(?=\d))?",
        _measure,
    ),
)
"""In order; what they leave alone is a plain number."""
