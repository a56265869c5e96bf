"""Where the optional recordings and understanding suites are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def data_folder() -> Path | None:
    """Return the folder with speech/, models/ and nlu/, or None where there is none.

    It is named by EARSHOT_DATA, or stands beside the checkout as shared/data.
    """
    named = os.environ.get("EARSHOT_DATA")
    folder = Path(named) if named else _ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


def require_data(*parts: str) -> Path:
    """Return a path below the data folder; skip the test with a reason where it does not exist."""
    folder = data_folder()
    path = folder.joinpath(*parts) if folder else None
    if path is None or not path.exists():
        pytest.skip(f"needs {'/'.join(parts)} of the optional data folder (set EARSHOT_DATA)")
    return path
