"""Numbers in English words, the American way: no "and", no commas."""

from __future__ import annotations

from functools import lru_cache

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# Longer ones are codes and account numbers: nobody says them as one number.
_LONGEST = 15


@lru_cache(maxsize=4096)
def cardinal(number: int) -> str:
    """Return 1234 as "one thousand two hundred thirty-four"; a negative number begins with "minus"."""
    from num2words import num2words  # noqa: PLC0415 - loads forty languages

    if number < 0:
        return f"minus {cardinal(-number)}"
    return str(num2words(number, lang="en")).replace(" and ", " ").replace(",", "")


@lru_cache(maxsize=1024)
def ordinal(number: int) -> str:
    """Return 22 as "twenty-second"."""
    from num2words import num2words  # noqa: PLC0415

    return str(num2words(number, lang="en", to="ordinal")).replace(" and ", " ").replace(",", "")


def spelled(digits: str) -> str:
    """Return "405" as "four zero five"; what is no digit is left out."""
    return " ".join(DIGITS[int(digit)] for digit in digits if digit.isascii() and digit.isdigit())


def spoken(text: str) -> str:
    """Return a number as written, "1,234.50" or "-3" or "007", in words."""
    plain = text.replace(",", "")
    if plain[:1] in "+-":
        return ("minus " if plain[0] == "-" else "plus ") + spoken(plain[1:])
    whole, _, fraction = plain.partition(".")
    if len(whole) > _LONGEST or (len(whole) > 1 and whole[0] == "0"):
        words = spelled(whole)
    else:
        words = cardinal(int(whole or "0"))
    return f"{words} point {spelled(fraction)}" if fraction else words


def year(number: int) -> str:
    """Return 1999 as "nineteen ninety-nine", 2005 as "two thousand five", 1905 as "nineteen oh five"."""
    century, rest = divmod(number, 100)
    if not 1000 <= number <= 2999 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {f'oh {DIGITS[rest]}' if rest < 10 else cardinal(rest)}"


def decade(number: int) -> str:
    """Return 1990 or 90 as "nineteen nineties" or "nineties"."""
    century, rest = divmod(number, 100)
    tens = cardinal(rest) if rest else ""
    plural = f"{tens[:-1]}ies" if tens.endswith("y") else f"{tens}s"
    if not century:
        return plural
    if not rest:
        return f"{cardinal(number)}s" if number % 1000 == 0 else f"{cardinal(century)} hundreds"
    return f"{cardinal(century)} {plural}"


def quantity(text: str) -> bool:
    """Return whether a number as written takes the singular: exactly one."""
    return text.lstrip("+-") == "1"
