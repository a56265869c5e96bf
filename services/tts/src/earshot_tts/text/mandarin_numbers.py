"""Numbers in Chinese characters."""

from __future__ import annotations

DIGITS = "零一二三四五六七八九"
# How digits are said one by one where 一 could be heard as 七: telephone and emergency numbers.
_PHONE_DIGITS = "零幺二三四五六七八九"
_LONGEST = 16
_WAN, _YI = 10**4, 10**8


def _section(number: int) -> str:
    """Return 0 to 9999, without a leading zero."""
    words = ""
    pending_zero = False
    for place, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // place % 10
        if digit:
            words += ("零" if pending_zero else "") + DIGITS[digit] + name
            pending_zero = False
        elif words:
            pending_zero = True
    return words


def _below(number: int, unit: int, name: str) -> str:
    """Return a number of one unit or more, as so many units and a rest."""
    high, low = divmod(number, unit)
    words = _plain(high) + name
    if not low:
        return words
    # A rest that lacks its first place is led by a zero: 10,203 is 一万零二百零三.
    return words + ("零" if low < unit // 10 else "") + _plain(low)


def _plain(number: int) -> str:
    if number >= _YI:
        return _below(number, _YI, "亿")
    return _below(number, _WAN, "万") if number >= _WAN else _section(number)


def cardinal(number: int) -> str:
    """Return 10,203 as 一万零二百零三, 12 as 十二, -5 as 负五; up to sixteen digits."""
    if number < 0:
        return "负" + cardinal(-number)
    words = _plain(number) or "零"
    return words[1:] if words.startswith("一十") else words


def spelled(digits: str) -> str:
    """Return "2026" as 二零二六; what is no digit is left out."""
    return "".join(DIGITS[int(d)] for d in digits if d.isascii() and d.isdigit())


def dialled(digits: str) -> str:
    """Return "110" as 幺幺零: how a telephone number is said."""
    return "".join(_PHONE_DIGITS[int(d)] for d in digits if d.isascii() and d.isdigit())


def spoken(text: str) -> str:
    """Return a number as written, "1,234.5" or "-3" or "007", in characters."""
    plain = text.replace(",", "")
    if plain[:1] in "+-":
        return ("负" if plain[0] == "-" else "正") + spoken(plain[1:])
    whole, _, fraction = plain.partition(".")
    if len(whole) > _LONGEST or (len(whole) > 1 and whole[0] == "0"):
        words = spelled(whole)
    else:
        words = cardinal(int(whole or "0"))
    return f"{words}点{spelled(fraction)}" if fraction else words


def counted(text: str) -> str:
    """Return a number as written before a measure word or a unit: two is 两."""
    return "两" if text == "2" else spoken(text)
