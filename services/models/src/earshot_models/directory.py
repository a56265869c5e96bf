"""Where models lie."""

from __future__ import annotations

import os
from pathlib import Path

from earshot_models.known import Model


def default_directory() -> Path:
    """Return the directory of all models: EARSHOT_MODELS, or the user's own data directory."""
    named = os.environ.get("EARSHOT_MODELS")
    if named:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "earshot" / "models"


def installed(model: Model, directory: Path | None = None) -> Path | None:
    """Return the directory of a model that has every file it needs, or None.

    Args:
        model: Which.
        directory: Of all models; None: the default one.
    """
    folder = (directory or default_directory()) / model.id
    return None if missing_files(model, folder) else folder


def missing_files(model: Model, folder: Path) -> tuple[str, ...]:
    """Return the names of required files that a directory lacks; all of them if there is no such directory."""
    return tuple(file.name for file in model.files if file.required and not (folder / file.name).is_file())
