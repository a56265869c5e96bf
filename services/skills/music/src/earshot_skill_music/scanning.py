"""Reading a folder of music."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import mutagen
import structlog

from earshot_skill_music.library import Library, Track, TrackId

MEDIA_TYPES = {
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
}
"""What is taken for music: what a device can decode."""

_log = structlog.get_logger("music.scanning")


def scan(folders: tuple[Path, ...]) -> Library:
    """Return the music of folders and everything below them.

    Hidden files, links that lead out of their folder and files that can't be read are left out. The tags decide what a
    track is called.
    """
    tracks: list[Track] = []
    for number, folder in enumerate(folders):
        root = folder.resolve()
        for path in sorted(root.rglob("*")):
            track = _track(path, root, number)
            if track is not None:
                tracks.append(track)
    _log.info("library_scanned", tracks=len(tracks))
    return Library(tracks)


def _track(path: Path, root: Path, number: int) -> Track | None:
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    relative = path.relative_to(root)
    if media_type is None or any(part.startswith(".") for part in relative.parts):
        return None
    if not path.is_file() or not path.resolve().is_relative_to(root):
        return None
    try:
        tags: Any = mutagen.File(path, easy=True)
    except (mutagen.MutagenError, OSError, ValueError) as error:
        _log.warning("file_skipped", reason=type(error).__name__)
        return None
    if tags is None:
        _log.warning("file_skipped", reason="not_audio")
        return None
    return Track(
        track_id=TrackId(hashlib.sha256(f"{number}/{relative.as_posix()}".encode()).hexdigest()[:16]),
        path=path,
        media_type=media_type,
        title=_tag(tags, "title") or path.stem.replace("_", " ").replace("-", " "),
        artist=_tag(tags, "artist"),
        album=_tag(tags, "album"),
        genre=_tag(tags, "genre"),
        duration_s=float(getattr(tags.info, "length", 0.0) or 0.0),
    )


def _tag(tags: Any, name: str) -> str:
    # A WAV file's tags are ID3 frames, which `easy` does not cover: it is named after its file.
    values = tags.get(name) if tags.tags is not None and hasattr(tags, "get") else None
    return str(values[0]).strip() if isinstance(values, list) and values else ""
