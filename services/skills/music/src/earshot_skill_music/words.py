"""The skill's words with the library's names in them: what NLU and ASR learn is what there is to play.

Names become lists of the sentence templates: genres by what people call them in the locale, titles, artists and albums
as their tags have them. A name goes into the locale whose script it is written in: who speaks Mandarin to a recogniser
can't say an English title, nor the other way round; typed, every name is found by the wildcard.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from earshot_skill_music.genres import genres_of, spoken
from earshot_skill_music.library import Library
from earshot_skill_music.sounding import is_chinese
from earshot_skillkit import SkillPackage, with_lists

LONGEST_LIST = 2000
"""Names of one kind that are taught; a larger library is taught in part, and found whole by typing."""

_NEVER = "no such music"
"""Stands in an empty list: a template needs at least one value, and nobody says this."""
_NEVER_CHINESE = "没有这样的音乐"
_NOT_WORDS = re.compile(r"[^\w\s'-]+", re.UNICODE)
_SPACES = re.compile(r"\s+")


def teach(package: SkillPackage, library: Library) -> SkillPackage:
    """Return the package with the library's names as lists of each locale.

    Raises:
        BrokenManifestError: The sentence templates are wrong.
    """
    return with_lists(package, {locale: lists(library, locale) for locale in package.words})


def lists(library: Library, locale: str) -> Mapping[str, Any]:
    """Return hassil lists by name: genre, title, artist, album."""
    return {
        "genre": _values(_genres(library, locale), locale),
        "title": _values(_names(library, "title", locale), locale),
        "artist": _values(_names(library, "artist", locale), locale),
        "album": _values(_names(library, "album", locale), locale),
    }


def _genres(library: Library, locale: str) -> Iterable[tuple[str, str]]:
    there = {genre for track in library.tracks for genre in genres_of(track.genre)}
    known = spoken(locale)
    for genre in sorted(there):
        for name in known.get(genre, (genre,) if is_chinese(genre) == locale.startswith("zh") else ()):
            yield name, genre


def _names(library: Library, kind: str, locale: str) -> Iterable[tuple[str, str]]:
    for name in library.names(kind):
        if is_chinese(name) == locale.startswith("zh"):
            yield sayable(name), name


def sayable(name: str) -> str:
    """Return a name as it can stand in a template: without what hassil reads as syntax, or nobody pronounces."""
    plain = unicodedata.normalize("NFKC", name).replace("&", " and ").replace("’", "'")
    return _SPACES.sub(" ", _NOT_WORDS.sub(" ", plain)).strip(" '-")


def _values(pairs: Iterable[tuple[str, str]], locale: str) -> Mapping[str, Any]:
    seen: dict[str, str] = {}
    for said, meant in pairs:
        if said and len(seen) < LONGEST_LIST:
            seen.setdefault(said, meant)
    if not seen:
        seen = {_NEVER_CHINESE if locale.startswith("zh") else _NEVER: ""}
    return {"values": [{"in": said, "out": meant} for said, meant in seen.items()]}
