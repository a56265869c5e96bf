"""English durations: "half an hour", "an hour and a half", "1 hour and 20 minutes"; over text in digits."""

from __future__ import annotations

import re
from datetime import timedelta

SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600, "day": 86400, "week": 604800}
_UNIT = r"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?)"
_STEP = rf"""(?:
      (?:a\ )?half\ (?:an?\ |of\ an?\ )?{_UNIT}
    | (?:3\ quarters|(?:a\ )?quarter)\ (?:of\ )?(?:an?\ )?{_UNIT}
    | (?:an?|a\ couple\ of|\d+(?:\.\d+)?)\ and\ a\ half\ {_UNIT}
    | (?:an?|a\ couple\ of|\d+(?:\.\d+)?)[ ]?{_UNIT}(?:\ and\ a\ (?:half|quarter)\b(?!\ {_UNIT}))?
    )(?![a-z])"""
DURATION = rf"{_STEP}(?:\ (?:and\ )?{_STEP}){{0,3}}"

_WHOLE = re.compile(DURATION, re.VERBOSE)
_ONE = re.compile(_STEP, re.VERBOSE)
_READ = re.compile(
    rf"(?P<amount>(?:a\ )?half(?:\ of)?(?:\ an?)?|3\ quarters(?:\ of)?(?:\ an?)?|(?:a\ )?quarter(?:\ of)?(?:\ an?)?"
    rf"|an?|a\ couple\ of|\d+(?:\.\d+)?)(?P<half>\ and\ a\ half)?[ ]?(?P<unit>{_UNIT})(?P<rest>\ and\ a\ (?:half|quarter))?",
    re.VERBOSE,
)


def find(text: str) -> list[tuple[int, int]]:
    """Return the spans of durations, longest first at each place."""
    return [
        match.span() for match in _WHOLE.finditer(text) if match.start() == 0 or not text[match.start() - 1].isalnum()
    ]


def duration(text: str) -> timedelta | None:
    """Return the duration that a text is; None where it is none."""
    if _WHOLE.fullmatch(text) is None:
        return None
    seconds = 0.0
    for step in _ONE.finditer(text):
        match = _READ.fullmatch(step[0])
        if match is None:
            return None
        unit = SECONDS[match["unit"].rstrip("s")]
        amount = _amount(match["amount"]) + (0.5 if match["half"] else 0.0)
        if match["rest"]:
            amount += 0.5 if match["rest"].endswith("half") else 0.25
        seconds += amount * unit
    return timedelta(seconds=seconds)


def _amount(words: str) -> float:
    if words.startswith("3 quarters"):
        return 0.75
    if "quarter" in words:
        return 0.25
    if "half" in words:
        return 0.5
    if words == "a couple of":
        return 2.0
    return 1.0 if words in {"a", "an"} else float(words)
