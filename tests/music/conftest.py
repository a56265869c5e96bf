"""A library of sample tunes and a few files of a household's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from earshot_skill_music.library import Library
from earshot_skill_music.samples import write_samples
from earshot_skill_music.scanning import scan
from support.tracks import write_track


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> Path:
    """Return a folder with the sample tunes."""
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder)
    return folder


@pytest.fixture(scope="session")
def library(samples, tmp_path_factory) -> Library:
    """Return the samples and some more: two tunes of an artist, a Chinese artist, an untagged file."""
    folder = tmp_path_factory.mktemp("own")
    write_track(folder / "a" / "1.flac", title="Thunder Phone", artist="Café Noir", album="Nights", genre="Jazz; Blues")
    write_track(folder / "a" / "2.flac", title="Quiet Knights", artist="Café Noir", album="Nights", genre="Jazz")
    write_track(folder / "zh.flac", title="静夜思", artist="李小龙", album="诗", genre="流行")
    write_track(folder / "no_tags-here.flac")
    return scan((folder, samples))
