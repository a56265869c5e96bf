"""The pins of one image: the part of requirements/all.txt that its distributions need, hashes and all.

Which distributions need which others is read from what is installed in .venv, which is that file's; nothing is resolved
anew and no index is asked. Markers stay, except that what is for another system than Linux is left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from images.workspace import ROOT, name_of

ALL = ROOT / "requirements" / "all.txt"
# A base may have any of these.
_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
_LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "implementation_name": "cpython"}


class UnpinnedError(Exception):
    """Something that an image needs is not in requirements/all.txt."""

    code = "unpinned_dependency"


@functools.cache
def blocks(path: Path = ALL) -> dict[str, str]:
    """Return the pins of a requirement file by name, with their hashes; a name may have one for each of several Pythons."""
    found: dict[str, list[str]] = {}
    for block in re.split(r"\n(?=\S)", path.read_text().strip()):
        found.setdefault(name_of(block), []).append(block)
    return {name: "\n".join(pins) for name, pins in found.items()}


def wanted(requirement: Requirement, extras: Iterable[str]) -> bool:
    """Tell whether a requirement counts on Linux with any of the Pythons, given the extras of who has it."""
    if requirement.marker is None:
        return True
    return any(
        requirement.marker.evaluate(
            {**_LINUX, "python_version": python, "python_full_version": f"{python}.9", "extra": extra}
        )
        for python in _PYTHONS
        for extra in (*extras, "")
    )


def needed(requirements: Iterable[str]) -> set[str]:
    """Return the names of everything that requirements bring with them."""
    todo = [Requirement(text) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        current = todo.pop()
        name, extras = name_of(current.name), frozenset(current.extras)
        if (name, extras) not in seen:
            seen.add((name, extras))
            todo.extend(found for found in _requires(name) if wanted(found, extras))
    return {name for name, _ in seen}


@functools.cache
def _requires(name: str) -> list[Requirement]:
    try:
        return [Requirement(text) for text in metadata.requires(name) or ()]
    except metadata.PackageNotFoundError:
        # For another Python or processor than this one: it is pinned, or `pins` says so.
        return []


def pins(requirements: Iterable[str]) -> str:
    """Return the requirement file of what requirements bring with them.

    Raises:
        UnpinnedError: requirements/all.txt lacks some.
    """
    known = blocks()
    names = needed(text for text in requirements if wanted(Requirement(text), ()))
    if missing := sorted(names - known.keys()):
        raise UnpinnedError(f"requirements/all.txt does not have {', '.join(missing)}: run `make lock`")
    return "".join(f"{known[name]}\n" for name in sorted(names))
