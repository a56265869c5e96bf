"""zh-CN: money, percentages, temperatures and measures in characters."""

from __future__ import annotations

import re

from earshot_tts.text.mandarin_numbers import counted, spoken
from earshot_tts.text.mandarin_units import CURRENCY_CODES, CURRENCY_SIGNS, RATES, UNITS
from earshot_tts.text.rules import rule

_AMOUNT = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SIGN = r"(?P<sign>(?<![A-Za-z\d.)])-)?"
_RANGE = rf"(?:(?P<low>{_AMOUNT})(?P<low_mark>[%％°℃]?C?)\s?[-–~～至到]\s?)?"
_SIGNS = "|".join(re.escape(sign) for sign in sorted(CURRENCY_SIGNS, key=len, reverse=True))


def _money(match: re.Match[str]) -> str:
    minus = "负" if match["minus"] else ""
    high = f"到{spoken(match['high'])}" if match["high"] else ""
    large = match["large"] or ""
    amount = match["amount"].replace(",", "")
    # 5.00 is 五元, 5.20 is 五点二元.
    if "." in amount:
        amount = amount.rstrip("0").rstrip(".")
    words = spoken(amount) if high or not large else counted(amount)
    return f"{minus}{words if amount != '2' else '两'}{high}{large}{CURRENCY_SIGNS[match['currency']]}"


def _currency_code(match: re.Match[str]) -> str:
    from babel.numbers import get_currency_name  # noqa: PLC0415 - loads the locale's data

    code = (match["code"] or match["code_first"]).replace("RMB", "CNY")
    amount = match["before"] or match["after"]
    if code == "CNY":
        return f"{counted(amount)}{match['large'] or ''}元"
    return f"{counted(amount)}{match['large'] or ''}{get_currency_name(code, locale='zh_Hans_CN')}"


def _percent(match: re.Match[str]) -> str:
    of = "百分之" if match["mark"] in "%％" else "千分之"
    minus = "负" if match["sign"] else ""
    low = f"{of}{spoken(match['low'])}到" if match["low"] else ""
    return f"{low}{minus}{of}{spoken(match['amount'])}"


def _degrees(match: re.Match[str]) -> str:
    mark = match["mark"].replace(" ", "")
    below = "零下" if match["sign"] else ""
    low = f"{spoken(match['low'])}到" if match["low"] else ""
    number = f"{below}{low}{spoken(match['amount'])}"
    if mark in {"℉", "°F"}:
        return f"华氏{number}度"
    return number + ("摄氏度" if mark in {"℃", "°C"} else mark.replace("°", "度"))


def _rate(match: re.Match[str]) -> str:
    per, unit = RATES[match["unit"]]
    low = f"{spoken(match['low'])}到" if match["low"] else ""
    return f"{per}{low}{spoken(match['amount']) if low else counted(match['amount'])}{unit}"


def _measure(match: re.Match[str]) -> str:
    minus = "负" if match["sign"] else ""
    low = f"{spoken(match['low'])}到" if match["low"] else ""
    amount = spoken(match["amount"]) if low or minus else counted(match["amount"])
    return f"{minus}{low}{amount}{UNITS[match['unit']]}"


_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_RATE = "|".join(re.escape(unit) for unit in RATES)
_CODES = "|".join(CURRENCY_CODES)

RULES = (
    rule(
        rf"(?P<minus>(?<![A-Za-z\d.)])-)?(?P<currency>{_SIGNS})\s?(?P<amount>{_AMOUNT})"
        rf"(?:\s?[-–~～]\s?(?:{_SIGNS})?(?P<high>{_AMOUNT}))?\s?(?P<large>万亿|亿|万|千)?(?:元|美元|欧元)?",
        _money,
    ),
    rule(
        rf"(?<![A-Za-z\d])(?:(?P<before>{_AMOUNT})\s?(?P<large>万亿|亿|万|千)?\s?(?P<code>{_CODES})"
        rf"|(?P<code_first>{_CODES})\s?(?P<after>{_AMOUNT}))(?![A-Za-z\d])",
        _currency_code,
    ),
    rule(rf"{_SIGN}{_RANGE}(?P<amount>{_AMOUNT})\s?(?P<mark>[%％‰])", _percent),
    rule(rf"{_SIGN}{_RANGE}(?P<amount>{_AMOUNT})\s?(?P<mark>℃|℉|°\s?[CF](?![A-Za-z])|°|摄氏度|华氏度|度)", _degrees),
    rule(rf"{_RANGE}(?<![A-Za-z\d.])(?P<amount>{_AMOUNT})\s?(?P<unit>{_RATE})(?![A-Za-z])", _rate),
    rule(rf"{_SIGN}{_RANGE}(?<![A-Za-z\d.])(?P<amount>{_AMOUNT})\s?(?P<unit>{_UNIT})(?![A-Za-z/²³])", _measure),
)
"""In order; what they leave alone is a plain number."""
