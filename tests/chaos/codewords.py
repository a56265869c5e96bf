"""A digest as words that can be said, understood and spoken: one word a half byte, in each locale's own."""

from __future__ import annotations

import hashlib
from typing import Final

DIGEST_PLACE: Final = "{digest}"
_HALF_BYTES: Final = 8
_WORDS: Final = {
    "en-US": (
        *("alpha", "bravo", "charlie", "delta", "foxtrot", "golf", "hotel", "juliet"),
        *("kilo", "mike", "oscar", "papa", "romeo", "sierra", "tango", "victor"),
    ),
    "zh-CN": tuple("甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳"),
}
LOCALES: Final = tuple(_WORDS)


def words_of(pcm: bytes, locale: str) -> str:
    """Return the first 32 bits of the SHA-256 of some bytes as words of a locale.

    Raises:
        KeyError: There are no words in the locale.
    """
    alphabet = _WORDS[locale]
    digits = hashlib.sha256(pcm).hexdigest()[:_HALF_BYTES]
    return ("" if locale.startswith("zh") else " ").join(alphabet[int(digit, 16)] for digit in digits)


def heard(template: str, pcm: bytes, locale: str) -> str:
    """Return what the recogniser hears: the template with the digest of the whole utterance in its place."""
    return template.replace(DIGEST_PLACE, words_of(pcm, locale))
