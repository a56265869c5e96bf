"""The music that there is, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NewType

TrackId = NewType("TrackId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One file.

    Attributes:
        track_id: The same for the same place in the library, also after a restart and on another replica.
        path: Where the file is.
        media_type: "audio/flac".
        title: From its tags; the file's name where they have none.
        artist: Empty where unknown; so are album and genre.
        album: Name of the album.
        genre: As the file's tags have it.
        duration_s: Length in seconds.
    """

    track_id: TrackId
    path: Path
    media_type: str
    title: str
    artist: str = ""
    album: str = ""
    genre: str = ""
    duration_s: float = 0.0


class Library:
    """Tracks by id, in the order of album and file."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self._tracks = {track.track_id: track for track in tracks}

    def __len__(self) -> int:
        return len(self._tracks)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All of them."""
        return tuple(self._tracks.values())

    def get(self, track_id: str) -> Track | None:
        """Return a track; None where there is none of that id."""
        return self._tracks.get(TrackId(track_id))

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the different titles, artists, albums or genres, sorted."""
        return tuple(sorted({name for track in self.tracks if (name := str(getattr(track, kind)))}))
