"""What genres are called in each locale, and which tag means which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml

_SEPARATORS = re.compile(r"[;,/|]")


@cache
def spoken(locale: str) -> Mapping[str, tuple[str, ...]]:
    """Return what people say, by genre, the usual name first.

    Raises:
        FileNotFoundError: Nothing is known of the locale.
    """
    text = files(__package__).joinpath(f"{locale}.yaml").read_text("utf-8")
    return {genre: tuple(names) for genre, names in yaml.safe_load(text).items()}


def genres_of(tag: str) -> frozenset[str]:
    """Return what a file's genre tag means, "Jazz; Blues" both; a genre that nothing is known of is its own name."""
    found: set[str] = set()
    for part in (piece.strip().casefold() for piece in _SEPARATORS.split(tag)):
        if not part:
            continue
        named = {
            genre
            for locale in ("en-US", "zh-CN")
            for genre, names in spoken(locale).items()
            if part == genre or part in names
        }
        # "Smooth Jazz" is jazz too.
        named |= {genre for genre in spoken("en-US") if genre in part.split()}
        found |= named or {part}
    return frozenset(found)


def name_of(genre: str, locale: str) -> str:
    """Return what a genre is called in a locale."""
    names = spoken(locale).get(genre)
    return names[0] if names else genre
