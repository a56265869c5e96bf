"""Opening the library that the settings describe."""

from __future__ import annotations

from pathlib import Path

from earshot_skill_music.library import Library
from earshot_skill_music.samples import write_samples
from earshot_skill_music.scanning import scan
from earshot_skill_music.settings import MusicSettings


def open_library(settings: MusicSettings) -> Library:
    """Return the household's music and, where they are wanted, the sample tunes, which are written at the first start.

    Raises:
        SystemExit: A folder can't be read or written; one line says which.
    """
    folders: list[Path] = []
    if settings.folder is not None:
        if not settings.folder.is_dir():
            raise SystemExit(f"EARSHOT_MUSIC_FOLDER: {settings.folder} is not a folder")
        folders.append(settings.folder)
    if settings.samples:
        samples = settings.data_folder / "samples"
        try:
            write_samples(samples)
        except OSError as error:
            raise SystemExit(f"EARSHOT_MUSIC_DATA_FOLDER: {samples} can't be written: {error.strerror}") from error
        folders.append(samples)
    return scan(tuple(folders))
