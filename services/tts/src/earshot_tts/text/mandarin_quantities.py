"""zh-CN: money, percentages, temperatures and measures in characters."""

from __future__ import annotations

import re
from decimal import Decimal

from earshot_tts.text.mandarin_numbers import counted, spoken
from earshot_tts.text.mandarin_units import CURRENCY_CODES, CURRENCY_SIGNS, MAGNITUDES, RATES, UNITS
from earshot_tts.text.rules import rule

_AMOUNT = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|(?<![A-Za-z\d])\.\d+"
_SIGNED = rf"(?:(?<![A-Za-z\d.)%°度])-)?(?:{_AMOUNT})"
_MEASURED = rf"(?:(?P<low>{_SIGNED})(?:[%‰]|°[CF]?)?\s?[-~～至到]\s?)?(?P<amount>{_SIGNED})"
_SIGNS = "|".join(re.escape(sign) for sign in sorted(CURRENCY_SIGNS, key=len, reverse=True))


def _money(match: re.Match[str]) -> str:
    minus = "负" if match["minus"] else ""
    high = f"到{spoken(multiplied(match['high'], match['magnitude']))}" if match["high"] else ""
    large = match["large"] or ""
    amount = multiplied(match["amount"], match["magnitude"])
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
    return "到".join(
        f"{'负' if amount.startswith('-') else ''}{of}{spoken(amount.removeprefix('-'))}" for amount in _ends(match)
    )


def _ends(match: re.Match[str]) -> list[str]:
    return [amount for amount in (match["low"], match["amount"]) if amount]


def _degrees(match: re.Match[str]) -> str:
    mark = match["mark"].replace(" ", "")
    number = "到".join(
        f"{'零下' if amount.startswith('-') else ''}{spoken(amount.removeprefix('-'))}" for amount in _ends(match)
    )
    if mark == "°F":
        return f"华氏{number}度"
    return number + ("摄氏度" if mark == "°C" else mark.replace("°", "度"))


def _rate(match: re.Match[str]) -> str:
    per, unit = RATES[match["unit"]]
    return f"{per}{'到'.join(counted(amount) for amount in _ends(match))}{unit}"


def _measure(match: re.Match[str]) -> str:
    # 180cm/65kg: the next one is another quantity.
    return (
        f"{'到'.join(counted(amount) for amount in _ends(match))}{UNITS[match['unit']]}{'，' if match['next'] else ''}"
    )


def multiplied(amount: str, magnitude: str | None) -> str:
    """Return 1.5 and "M" as "1500000", 5.20 as "5.2": what Latin letters multiply is one number in Chinese."""
    number = Decimal(amount.replace(",", "")) * MAGNITUDES.get(magnitude or "", 1)
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_RATE = "|".join(re.escape(unit) for unit in RATES)
_CODES = "|".join(CURRENCY_CODES)

RULES = (
    # Behind a unit a hyphen is no minus.
    rule(rf"(?P<from>\d\s?(?:{_UNIT}|[元块斤个天年岁名分秒米时]|分钟|公里))\s?[-~～]\s?(?=\d)", r"\g<from>到"),
    rule(
        rf"(?P<minus>(?<![A-Za-z\d.)])-)?(?P<currency>{_SIGNS})\s?(?P<amount>{_AMOUNT})"
        rf"(?:(?:[kwMB]|bn)?\s?[-~～]\s?(?:{_SIGNS})?(?P<high>{_AMOUNT}))?\s?(?P<large>万亿|亿|万|千)?"
        r"(?P<magnitude>(?:bn|[kKwWMmBbT])(?![A-Za-z-]))?(?:元|美元|欧元)?",
        _money,
    ),
    rule(
        rf"(?<![A-Za-z\d.])(?P<amount>{_AMOUNT})(?P<magnitude>[kw]|[KW](?=[\u4e00-\u9fff]*元))(?![A-Za-z])",
        lambda m: multiplied(m["amount"], m["magnitude"]),
    ),
    rule(r"(?P<amount>\d\.\d*?)0+(?=元|块|美元|欧元|英镑)", lambda m: m["amount"].rstrip(".")),
    rule(
        rf"(?<![A-Za-z\d])(?:(?P<before>{_AMOUNT})\s?(?P<large>万亿|亿|万|千)?\s?(?P<code>{_CODES})"
        rf"|(?P<code_first>{_CODES})\s?(?P<after>{_AMOUNT}))(?![A-Za-z\d])",
        _currency_code,
    ),
    rule(rf"{_MEASURED}\s?(?P<mark>[%‰])", _percent),
    rule(rf"{_MEASURED}\s?(?P<mark>°\s?[CF](?![A-Za-z])|°|摄氏度|华氏度|度)", _degrees),
    rule(rf"(?<![A-Za-z\d.]){_MEASURED}\s?(?P<unit>{_RATE})(?![A-Za-z²])", _rate),
    rule(r"(?P<high>\d{2,3})/(?P<low>\d{2,3})(?=\s?mmHg)", lambda m: f"{spoken(m['high'])}比{m['low']}"),
    rule(rf"(?<![A-Za-z\d.]){_MEASURED}\s?(?P<unit>{_UNIT})(?![A-Za-z²³]|/[A-Za-z])(?P<next>/(?=\d))?", _measure),
)
"""In order; what they leave alone is a plain number."""
