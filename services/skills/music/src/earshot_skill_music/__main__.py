"""Runs the music skill."""

from __future__ import annotations

from earshot_skill_music.opening import open_library
from earshot_skill_music.settings import MusicSettings
from earshot_skill_music.skill import Music
from earshot_skill_music.words import teach
from earshot_skillkit import load_package, run


def main() -> None:
    """Read the library, teach its names, and serve."""
    settings = MusicSettings()
    library = open_library(settings)
    run(teach(load_package("earshot_skill_music"), library), lambda host: Music(host, library, settings))


if __name__ == "__main__":
    main()
