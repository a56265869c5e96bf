"""What our programs read from their environment: found in their settings, and where they ask for a variable by name."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

from pydantic_settings import BaseSettings

from images.workspace import ROOT, Distribution, closure, distributions
from support.crosscheck.cluster import Container

_ASKED = re.compile(r"""environ(?:\.get\(|\[)\s*["'](\w+)["']""")


@cache
def _modules(folder: str, package: str) -> tuple[str, ...]:
    source = ROOT / folder / "src"
    paths = sorted((source / package).rglob("settings.py"))
    return tuple(".".join(path.relative_to(source).with_suffix("").parts) for path in paths)


@cache
def settings_of(module: str) -> tuple[type[BaseSettings], ...]:
    """Return the settings that a module defines."""
    return tuple(
        each
        for each in vars(importlib.import_module(module)).values()
        if isinstance(each, type) and issubclass(each, BaseSettings) and each.__module__ == module
    )


@cache
def parts(distribution: str) -> tuple[Distribution, ...]:
    """Return everything of ours that is in an image."""
    return closure(distributions()[distribution])


@cache
def settings(distribution: str) -> tuple[type[BaseSettings], ...]:
    """Return the settings of everything in an image."""
    return tuple(
        found
        for part in parts(distribution)
        for module in _modules(part.folder, part.package)
        for found in settings_of(module)
    )


@cache
def names(found: type[BaseSettings]) -> dict[str, str]:
    """Return the variables of settings, with the names of their fields."""
    prefix = found.model_config.get("env_prefix", "")
    return {
        str(field.validation_alias or f"{prefix}{name}").upper(): name for name, field in found.model_fields.items()
    }


@cache
def asked(path: Path) -> frozenset[str]:
    """Return the variables that a file, or every file of a folder, asks for by name."""
    files = path.rglob("*.py") if path.is_dir() else (path,)
    return frozenset(name for file in files for name in _ASKED.findall(file.read_text()))


def module_of(container: Container) -> str | None:
    """Return the module that a container runs instead of its image's own."""
    command = container.command
    return command[command.index("-m") + 1] if command[:1] == ["python"] and "-m" in command[:-1] else None


def file_of(container: Container) -> Path | None:
    """Return that module's file; None: its image has none."""
    module = module_of(container)
    if module is None or container.image is None:
        return None
    for part in parts(container.image.name):
        path = ROOT / part.folder / "src" / module.replace(".", "/")
        for file in (path.with_suffix(".py"), path / "__main__.py"):
            if file.is_file():
                return file
    return None


def read_by(container: Container) -> set[str]:
    """Return every variable that a program of ours reads."""
    assert container.image is not None
    if not container.serves:
        file = file_of(container)
        return set(asked(file)) if file else set()
    return _read(container.image.name)


@cache
def _read(distribution: str) -> set[str]:
    told = {name for found in settings(distribution) for name in names(found)}
    return told.union(*(asked(ROOT / part.folder / "src") for part in parts(distribution)))
