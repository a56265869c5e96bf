"""Cutting Mandarin into words by the longest match in a dictionary."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

LONGEST_WORD: Final = 8


class LongestMatch:
    """From left to right, always the longest word that the dictionary has; else one character."""

    def __init__(self, known: Callable[[str], bool], *, longest: int = LONGEST_WORD) -> None:
        """Make a segmenter.

        Args:
            known: Whether the dictionary has a word.
            longest: Characters of the longest word to look for.
        """
        # Templates repeat the same stretches, and every look-up searches a file.
        self._known = lru_cache(maxsize=65_536)(known)
        self._cut = lru_cache(maxsize=8192)(self._cut_anew)
        self._longest = longest

    def __call__(self, text: str) -> tuple[str, ...]:
        """Cut text; the words put together are the text again."""
        return self._cut(text)

    def _cut_anew(self, text: str) -> tuple[str, ...]:
        words: list[str] = []
        position = 0
        while position < len(text):
            for length in range(min(self._longest, len(text) - position), 0, -1):
                word = text[position : position + length]
                if length == 1 or self._known(word):
                    words.append(word)
                    position += length
                    break
        return tuple(words)
