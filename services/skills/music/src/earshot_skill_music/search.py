"""Finding music by what somebody asked for. No I/O.

A name that was said may be a little wrong: it is compared as it is written and as it sounds, and the better counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz import fuzz

from earshot_skill_music.genres import genres_of, spoken
from earshot_skill_music.library import Library, Track
from earshot_skill_music.sounding import plain, sound_of

ENOUGH = 78.0
"""Similarity, 0 to 100, from which a name is taken for the one that was meant: one slip in a word, not another word."""
_LOCALES = ("en-US", "zh-CN")


class Kind(StrEnum):
    """What was found."""

    TITLE = "title"
    ARTIST = "artist"
    ALBUM = "album"
    GENRE = "genre"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Tracks, what they have in common, and its name as the library has it."""

    kind: Kind
    name: str
    tracks: tuple[Track, ...]


def by_title(library: Library, title: str, artist: str | None = None) -> Found | None:
    """Return the tracks of a title, of one artist where one was named; None if there is none."""
    tracks = library.tracks if artist is None else _artist_tracks(library, artist)
    return _best(tracks, title, Kind.TITLE, lambda track: track.title)


def by_artist(library: Library, artist: str) -> Found | None:
    """Return an artist's tracks; None if there is no such artist."""
    return _best(library.tracks, artist, Kind.ARTIST, lambda track: track.artist)


def by_genre(library: Library, genre: str) -> Found | None:
    """Return a genre's tracks. It may be named in any locale; None if there is none of it.

    A genre must be named right: a neighbouring one is no slip of it.
    """
    wanted = _genre_named(genre)
    tracks = tuple(track for track in library.tracks if wanted in genres_of(track.genre))
    return Found(kind=Kind.GENRE, name=wanted, tracks=tracks) if tracks else None


def by_anything(library: Library, words: str) -> Found | None:
    """Return what the words name best: a genre, else a title, an artist or an album; None if nothing is near."""
    found = by_genre(library, words)
    if found is not None:
        return found
    candidates = [
        (similarity(words, getattr(track, kind.value)), kind, getattr(track, kind.value))
        for kind in (Kind.TITLE, Kind.ARTIST, Kind.ALBUM)
        for track in library.tracks
        if getattr(track, kind.value)
    ]
    score, kind, name = max(candidates, key=lambda one: one[0], default=(0.0, Kind.TITLE, ""))
    if score < ENOUGH:
        return None
    tracks = tuple(track for track in library.tracks if getattr(track, kind.value) == name)
    return Found(kind=kind, name=name, tracks=tracks)


def everything(library: Library) -> Found | None:
    """Return the whole library; None if it is empty."""
    return Found(kind=Kind.EVERYTHING, name="", tracks=library.tracks) if len(library) else None


def similarity(said: str, name: str) -> float:
    """Return how alike two names are, 0 to 100: as written or as they sound, whichever is nearer.

    What only sounds alike counts a little less, so that the name as it is written wins.
    """
    written = fuzz.ratio(plain(said), plain(name))
    sounding = fuzz.ratio(sound_of(said), sound_of(name)) - 4.0 if plain(said) and plain(name) else 0.0
    return max(written, sounding)


def _artist_tracks(library: Library, artist: str) -> tuple[Track, ...]:
    found = by_artist(library, artist)
    return found.tracks if found is not None else ()


def _best(tracks: Iterable[Track], said: str, kind: Kind, name_of: Callable[[Track], str]) -> Found | None:
    named = [track for track in tracks if name_of(track)]
    best = max(named, key=lambda track: similarity(said, name_of(track)), default=None)
    if best is None or similarity(said, name_of(best)) < ENOUGH:
        return None
    name = name_of(best)
    return Found(kind=kind, name=name, tracks=tuple(track for track in named if name_of(track) == name))


def _genre_named(said: str) -> str:
    wanted = plain(said)
    for locale in _LOCALES:
        for genre, names in spoken(locale).items():
            if wanted == genre or any(wanted == plain(name) for name in names):
                return genre
    return wanted
