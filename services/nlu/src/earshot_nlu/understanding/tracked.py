"""Text that remembers what each of its characters stands for.

Matching works on normalised text, slots are told in the user's own words. Each character of a derived text keeps the
span of the source that it stands for. A replacement stands for the whole of what it replaced, so any part of "25th"
leads back to all of "twenty fifth".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat


@dataclass(frozen=True, slots=True)
class Tracked:
    """A derived text and, for each of its characters, where what it stands for begins and ends in the source."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def whole(cls, text: str) -> Tracked:
        """Return a text that is its own source."""
        return cls(text, range(len(text)), range(1, len(text) + 1))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Translate a half-open span of this text into one of the source."""
        return (self.starts[start], self.ends[end - 1]) if start < end else (0, 0)

    def slice(self, start: int, end: int) -> Tracked:
        """Return a part of it."""
        return Tracked(self.text[start:end], self.starts[start:end], self.ends[start:end])

    def sub(self, pattern: re.Pattern[str], replacement: str | Callable[[re.Match[str]], str]) -> Tracked:
        """Replace every match; a match of nothing is left alone."""
        builder = TrackedBuilder()
        position = 0
        # expand() parses its template at each match, and hardly any replacement is one.
        literal = isinstance(replacement, str) and "\\" not in replacement
        for match in pattern.finditer(self.text):
            start, end = match.span()
            if start == end:
                continue
            builder.copy(self, position, start)
            if not isinstance(replacement, str):
                new = replacement(match)
            else:
                new = replacement if literal else match.expand(replacement)
            builder.add(new, *self.span(start, end))
            position = end
        if position == 0:
            return self
        builder.copy(self, position, len(self.text))
        return builder.build()

    def strip(self) -> Tracked:
        """Drop white space at both ends."""
        text = self.text.strip()
        if len(text) == len(self.text):
            return self
        start = len(self.text) - len(self.text.lstrip())
        return self.slice(start, start + len(text))

    def onto(self, source: Tracked) -> Tracked:
        """Return this text with spans in the source of the text that it was derived from."""
        spans = [source.span(start, end) for start, end in zip(self.starts, self.ends, strict=True)]
        return Tracked(self.text, [start for start, _ in spans], [end for _, end in spans])


class TrackedBuilder:
    """Puts a derived text together, piece by piece."""

    __slots__ = ("_ends", "_parts", "_starts")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, text: str, start: int, end: int) -> None:
        """Append a text that stands for a span of the source."""
        self._parts.append(text)
        self._starts.extend(repeat(start, len(text)))
        self._ends.extend(repeat(end, len(text)))

    def copy(self, tracked: Tracked, start: int, end: int) -> None:
        """Append a part of a text that was derived from the same source."""
        self._parts.append(tracked.text[start:end])
        self._starts.extend(tracked.starts[start:end])
        self._ends.extend(tracked.ends[start:end])

    def build(self) -> Tracked:
        """Return the text."""
        return Tracked("".join(self._parts), self._starts, self._ends)
