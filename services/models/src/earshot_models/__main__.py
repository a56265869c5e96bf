"""Put models into their place where `earshot` is not installed: python -m earshot_models add --from FILE [ID …].

It is in the recogniser's image, for what fills a volume of a cluster. "-" reads an archive (.tar, .tar.gz) from standard input. Without
ids, every known model that is whole in there is added.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from earshot_models.directory import default_directory
from earshot_models.errors import ModelError
from earshot_models.install import add
from earshot_models.known import KNOWN, Model, find


def main() -> None:
    """Run the command: one line for each model that was added; one sentence and exit code 1 when none can be."""
    parser = argparse.ArgumentParser(prog="python -m earshot_models", description="Put models into their place.")
    commands = parser.add_subparsers(dest="command", required=True)
    adding = commands.add_parser("add", help="copy models from an archive or a directory, after checking every file")
    adding.add_argument("ids", nargs="*", metavar="ID", help="which; default: those that are in there")
    adding.add_argument("--from", dest="source", required=True, help='an archive, a directory, or "-": standard input')
    given = parser.parse_args()
    try:
        for folder in added(given.source, [find(each) for each in given.ids]):
            sys.stdout.write(f"{folder.name} is in {folder}\n")
    except ModelError as error:
        sys.stderr.write(f"earshot_models: {error.code}: {error}\n")
        raise SystemExit(1) from None


def added(source: str, models: list[Model]) -> list[Path]:
    """Add models and return their directories.

    Raises:
        ModelError: As `add`; model_incomplete: there is no whole model in the source.
    """
    if source != "-":
        return _added(Path(source), models)
    root = default_directory()
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Beside the models: there is room for them.
        with tempfile.NamedTemporaryFile(prefix=".arriving-", dir=root) as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
            file.flush()
            return _added(Path(file.name), models)
    except OSError as error:
        raise ModelError(f"nothing can be written to {root}: {error}.", code="source_unreadable") from error


def _added(source: Path, models: list[Model]) -> list[Path]:
    if models:
        return [add(model, source) for model in models]
    found = []
    for model in KNOWN:
        try:
            found.append(add(model, source))
        except ModelError as error:
            if error.code != "model_incomplete":
                raise
    if not found:
        names = ", ".join(model.id for model in KNOWN)
        raise ModelError(f"none of {names} is whole in there.", code="model_incomplete")
    return found


if __name__ == "__main__":
    main()
