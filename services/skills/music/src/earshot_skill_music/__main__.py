"""Runs the music skill."""

from __future__ import annotations

from earshot_skill_music.opening import open_library
from earshot_skill_music.settings import MusicSettings
from earshot_skill_music.skill import Music
from earshot_skill_music.words import teach
from earshot_skillkit import BrokenManifestError, load_package, run, start_logs


def main() -> None:
    """Read the library, teach its names, and serve.

    Raises:
        SystemExit: A folder or a file of the skill is wrong; one line says which.
    """
    start_logs("music")
    settings = MusicSettings()
    library = open_library(settings)
    try:
        package = teach(load_package("earshot_skill_music"), library)
    except BrokenManifestError as error:
        raise SystemExit(f"earshot_skill_music: {error.code}: {error}") from None
    run(package, lambda host: Music(host, library, settings))


if __name__ == "__main__":
    main()
