"""Words in capitals: which of them are said letter by letter. An engine reads them as words, "AQI" as one syllable."""

from __future__ import annotations

import re

from earshot_tts.text.rules import rule

# Said as words: acronyms that have become one, a few names, and what is written in capitals to stress it.
_WORDS_IN_CAPITALS = (
    "NASA NATO OPEC FIFA UEFA NOAA NAFTA AIDS SARS MERS RAM ROM RAID SIM PIN GIF JPEG BIOS DOS LAN WAN SWAT SCUBA TED"
    " IKEA VISA LEGO ABBA FIAT SEAT SAP ZIP POTUS APP OK MAX MIN PRO"
    " A ALL AND ANY ARE BE BEST BIG BUT BY CAN DO DON FOR FREE FROM GET GO GOOD HAS HAVE HE HER HIS HOT HOW I IF IN IS"
    " JUST KEEP LIVE LOVE ME MORE MOST MUST MY NEW NO NOT NOW OFF OH ON ONE ONLY OPEN OR OUR OUT PLAY SALE SHE SO STAY"
    " STOP THAT THE THEY THIS TO TOO TOP TRUE TURN TWO UP VERY WAIT WE WHAT WHO WHY WILL WITH YES YOU YOUR"
)
_WORDS = frozenset(_WORDS_IN_CAPITALS.split())


def _spaced(match: re.Match[str]) -> str:
    capitals, ending = match["capitals"], match["ending"]
    if capitals in _WORDS:
        return match[0]
    return " ".join(capitals) + {"s": "'s", "v": " v"}.get(ending, ending)


# "ETFs" is several of them, "IPv6" a version; without a vowel a longer one is letters too.
LETTERS = rule(r"(?<![A-Za-z])(?P<capitals>[A-Z]{2,4}|[B-DF-HJ-NP-TV-XZ]{5,})(?P<ending>[sv]?)(?![A-Za-z])", _spaced)
"""Capitals to spaced letters; for after all else, when units and currencies have been read."""
