"""Pronunciation dictionaries in CMU's format: one `word phones` a line, further ways to say it as `word(2) phones`.

The files have a hundred thousand lines and more, of which a vocabulary needs some hundreds. They are sorted by word,
so each word is found by bisection in the mapped file: nothing is read at start and nothing is kept in memory.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_VARIANT: Final = re.compile(rb"\(\d+\)$")

Phones = tuple[str, ...]
"""Phones of one way to say a word, in the acoustic model's notation."""


class Dictionary:
    """A sorted pronunciation dictionary; close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Map a file.

        Raises:
            OSError: It is not there.
            ValueError: It is empty.
        """
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __contains__(self, word: str) -> bool:
        """Whether there is a way to say the word."""
        return bool(self.lookup(word))

    def lookup(self, word: str) -> tuple[Phones, ...]:
        """Return the ways to say a word, the common one first; none when it is not there."""
        wanted = word.encode()
        if not wanted:
            return ()
        low, high = 0, len(self._map)
        while low < high:
            middle = self._line_start((low + high) // 2)
            if self._word_at(middle) < wanted:
                low = self._next_line(middle)
            else:
                high = middle
        return self._ways(low, wanted)

    def _ways(self, position: int, wanted: bytes) -> tuple[Phones, ...]:
        ways: list[Phones] = []
        while position < len(self._map) and self._word_at(position) == wanted:
            line = self._map[position : self._next_line(position)]
            ways.append(tuple(line.decode().split()[1:]))
            position = self._next_line(position)
        return tuple(ways)

    def _line_start(self, position: int) -> int:
        return self._map.rfind(b"\n", 0, position) + 1

    def _next_line(self, position: int) -> int:
        found = self._map.find(b"\n", position)
        return len(self._map) if found < 0 else found + 1

    def _word_at(self, position: int) -> bytes:
        line = self._map[position : self._next_line(position)]
        return _VARIANT.sub(b"", line.split(None, 1)[0]) if line.strip() else b""


def to_text(pronunciations: Mapping[str, tuple[Phones, ...]]) -> str:
    """Return a dictionary file of some words, sorted; words without pronunciation are left out."""
    lines: list[str] = []
    for word in sorted(pronunciations, key=str.encode):
        for index, phones in enumerate(pronunciations[word]):
            variant = f"({index + 1})" if index else ""
            lines.append(f"{word}{variant} {' '.join(phones)}\n")
    return "".join(lines)
