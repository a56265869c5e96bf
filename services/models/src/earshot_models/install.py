"""Putting a model into its place."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from earshot_models.directory import default_directory, missing_files
from earshot_models.errors import ModelError
from earshot_models.known import Model
from earshot_models.verify import verify_folder


def add(model: Model, source: Path, directory: Path | None = None) -> Path:
    """Copy a model from a directory or an archive; what was there before is replaced.

    Args:
        model: Which.
        source: A directory, or a .zip or .tar (.gz, .bz2, .xz) file; the model may lie deeper in it.
        directory: Of all models; None: the default one.

    Returns:
        The model's directory.

    Raises:
        ModelError: source_missing, source_unreadable, model_incomplete, model_altered.
    """
    if not source.exists():
        raise ModelError(f"There is nothing at {source}.", code="source_missing")
    root = directory or default_directory()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=root) as scratch:
            return _place(model, _opened(source, Path(scratch) / "unpacked"), root, Path(scratch) / model.id)
    except OSError as error:
        raise ModelError(f"{source} could not be copied to {root}: {error}.", code="source_unreadable") from error


def _opened(source: Path, scratch: Path) -> Path:
    if source.is_dir():
        return source
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                archive.extractall(scratch)  # noqa: S202 - zipfile keeps members below the directory
        else:
            with tarfile.open(source) as tar:
                tar.extractall(scratch, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ModelError(f"{source} is no archive that can be read.", code="source_unreadable") from error
    return scratch


def _place(model: Model, source: Path, root: Path, scratch: Path) -> Path:
    folder = _find(model, source)
    scratch.mkdir()
    for file in model.files:
        if (folder / file.name).is_file():
            shutil.copyfile(folder / file.name, scratch / file.name)
    found = verify_folder(model, scratch)
    if found.altered:
        raise ModelError(
            f"In {source} these files are damaged or of another version: {', '.join(found.altered)}.",
            code="model_altered",
        )
    target = root / model.id
    if target.exists():
        target.rename(scratch.with_name("replaced"))
    return scratch.rename(target)


def _find(model: Model, source: Path) -> Path:
    """Return the directory that has most of the model's files.

    Raises:
        ModelError: model_incomplete, naming what the best one lacks.
    """
    folders = [source, *sorted(path for path in source.rglob("*") if path.is_dir())]
    best = min(folders, key=lambda folder: len(missing_files(model, folder)))
    missing = missing_files(model, best)
    if missing:
        raise ModelError(f"{source} is not a whole {model.id}: it lacks {', '.join(missing)}.", code="model_incomplete")
    return best
