"""Whether a model is whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from earshot_models.directory import default_directory, missing_files
from earshot_models.known import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found.

    Attributes:
        model: Which.
        folder: Where it was looked for.
        present: Whether there is such a directory at all.
        missing: Required files that are not there.
        altered: Files whose contents are not those that Earshot is tested with.
        unchecked: Files of which no checksum is known.
    """

    model: Model
    folder: Path
    present: bool
    missing: tuple[str, ...]
    altered: tuple[str, ...]
    unchecked: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the model can be used."""
        return self.present and not self.missing and not self.altered

    def sentence(self) -> str:
        """Return the result in one sentence."""
        if not self.present:
            return f"{self.model.id} is not installed (it would be in {self.folder})."
        if self.missing:
            return f"{self.model.id} in {self.folder} lacks {', '.join(self.missing)}."
        if self.altered:
            return f"{self.model.id} in {self.folder} is damaged or another version: {', '.join(self.altered)}."
        return f"{self.model.id} in {self.folder} is whole."


def verify(model: Model, directory: Path | None = None) -> Verification:
    """Check a model's files against the list of what it consists of.

    Args:
        model: Which.
        directory: Of all models; None: the default one.
    """
    return verify_folder(model, (directory or default_directory()) / model.id)


def verify_folder(model: Model, folder: Path) -> Verification:
    """Check the files in a directory that need not be the model's own."""
    there = [file for file in model.files if (folder / file.name).is_file()]
    return Verification(
        model=model,
        folder=folder,
        present=folder.is_dir(),
        missing=missing_files(model, folder),
        altered=tuple(file.name for file in there if file.sha256 and _digest(folder / file.name) != file.sha256),
        unchecked=tuple(file.name for file in there if file.sha256 is None),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
