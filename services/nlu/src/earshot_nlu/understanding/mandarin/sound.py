"""How Mandarin sounds: pinyin without tones, with the initials and finals that are taken for each other folded."""

from __future__ import annotations

import re
from functools import lru_cache

# Speakers of many regions do not tell these apart, and recognisers follow them.
_FOLDS = (
    (re.compile(r"^(z|c|s)h"), r"\1"),
    (re.compile(r"^n(?=[aeiou])"), "l"),
    (re.compile(r"(?<=[aei])ng$"), "n"),
)


@lru_cache(maxsize=32768)
def syllable(character: str) -> str:
    """Return the most frequent reading of a Han character; any other character is its own."""
    from pypinyin import Style, pinyin  # noqa: PLC0415 - 0.2 s to import

    return str(pinyin(character, style=Style.NORMAL, errors="default")[0][0])


@lru_cache(maxsize=4096)
def folded(reading: str) -> str:
    """Return a reading with what sounds nearly alike made alike."""
    for found, written in _FOLDS:
        reading = found.sub(written, reading)
    return reading
