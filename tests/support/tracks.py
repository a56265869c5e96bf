"""Music files for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from mutagen.flac import FLAC


def write_track(path: Path, *, seconds: float = 0.2, **tags: str) -> Path:
    """Write a FLAC file of silence with tags."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(8000 * seconds), np.int16), 8000, format="FLAC")
    file = FLAC(path)
    for name, value in tags.items():
        file[name] = value
    file.save()
    return path
