"""English number words as digits, through text2num."""

from __future__ import annotations

import re

from text_to_num import find_numbers

from earshot_nlu.understanding.tracked import Tracked, TrackedBuilder

_WORD = re.compile(r"\S+")
# Every number word begins with one of these, so that most texts are left alone after one look.
_MAYBE = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thir|four|fif|six|seven|eigh|nine"
    r"|twen|for|hundred|thousand|million|billion|first|second|third|ninth)"
)
_NUMBER = re.compile(
    r"(?:a )?(minus |negative |-)?(\d+(?:\.\d+)?)(?:st|nd|rd|th)?( and a half)?(?: percent| degrees(?: celsius| fahrenheit)?)?"
)
_HALF = re.compile(r"(?:a |1 )?half")


class _Word:
    """A word as text2num wants it."""

    __slots__ = ("_plain", "_text")

    def __init__(self, text: str, *, plain: bool) -> None:
        self._text = text
        self._plain = plain

    def text(self) -> str:
        return self._text

    def nt_separated(self, previous: object) -> bool:
        del previous
        return False

    def not_a_number_part(self) -> bool:
        return self._plain


def digits(text: str) -> Tracked:
    """Return a normalised text with number words written in digits, ordinals as "25th"."""
    tracked = Tracked.whole(text)
    if not _MAYBE.search(text):
        return tracked
    spans = [match.span() for match in _WORD.finditer(text)]
    words = [text[start:end] for start, end in spans]
    tokens = [_Word(word, plain=_is_plain(words, index)) for index, word in enumerate(words)]
    builder = TrackedBuilder()
    position = 0
    for found in find_numbers(tokens, "en", threshold=0.0):
        start, end = spans[found.start][0], spans[found.end - 1][1]
        builder.copy(tracked, position, start)
        builder.add(found.text, start, end)
        position = end
    builder.copy(tracked, position, len(text))
    return builder.build()


def _is_plain(words: list[str], index: int) -> bool:
    """Tell words that only look like numbers: the letter "o", and "second" where it is a unit."""
    if words[index] == "o":
        return True
    before = words[index - 1] if index else ""
    return words[index] == "second" and (before in {"a", "per", "each", "one"} or before.isdigit())


def number(text: str) -> float | None:
    """Return the number that a text in digits is; None where it is none."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return 0.5 if _HALF.fullmatch(text) else None
    value = float(match[2]) + (0.5 if match[3] else 0.0)
    return -value if match[1] else value


def find(text: str) -> list[tuple[int, int]]:
    """Return the spans of numbers in a text in digits; each also without the unit behind it."""
    spans: list[tuple[int, int]] = []
    for match in _NUMBER.finditer(text):
        if match.start() and text[match.start() - 1].isalnum():
            continue
        spans.append(match.span())
        bare = match.end(3) if match[3] else match.end(2)
        spans.append((match.start(), bare))
    return list(dict.fromkeys(spans))
