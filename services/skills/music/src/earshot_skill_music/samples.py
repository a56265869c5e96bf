"""Writes the sample tunes into a folder, once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mutagen.flac import FLAC

from earshot_skill_music import synth
from earshot_skill_music.tunes import TUNES, Tune


def write_samples(folder: Path) -> int:
    """Render the tunes that the folder lacks, as tagged FLAC files; return how many those were.

    A file appears under its name when it is complete, so two replicas may do this at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [tune for tune in TUNES if not (folder / tune.file).exists()]
    for tune in missing:
        _write(tune, folder)
    return len(missing)


def _write(tune: Tune, folder: Path) -> None:
    # libsndfile is loaded only where there is something to write.
    import soundfile  # noqa: PLC0415

    unfinished = folder / f".{tune.file}.{os.getpid()}"
    soundfile.write(unfinished, tune.render(), synth.RATE, format="FLAC", subtype="PCM_16")
    tags: Any = FLAC(unfinished)  # type: ignore[no-untyped-call]
    tags["title"], tags["artist"] = tune.title, tune.artist
    tags["album"], tags["genre"] = tune.album, tune.genre
    tags.save()
    unfinished.replace(folder / tune.file)
