"""The files of a program: whether somebody has changed them."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def folder_of(module: str) -> Path | None:
    """Return the folder of a module's package, which is not imported; None where there is none."""
    package = module.partition(".")[0]
    spec = importlib.util.find_spec(package) if package else None
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(places[0]) if places else None


def changed_ns(folder: Path | None) -> int:
    """Return when a file in a folder was changed last; what Python compiles of them does not count."""
    if folder is None:
        return 0
    latest = 0
    for path in folder.rglob("*"):
        if "__pycache__" not in path.parts:
            try:
                latest = max(latest, path.stat().st_mtime_ns)
            except FileNotFoundError:
                continue  # an editor's own, gone by now
    return latest
