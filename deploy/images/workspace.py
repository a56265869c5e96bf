"""The workspace's distributions, what they depend on, and which of them become images: all read from pyproject.toml.

A distribution is an image if it says so:

    [tool.earshot.image]
    licences = "Apache-2.0"                          # of everything inside, as an SPDX expression
    environment = { EARSHOT_ASR_CACHE = "…" }        # beside what all images have
    ports = { media = 8090 }                         # likewise
    writable = ["/var/cache/earshot"]                # beside /tmp
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = "earshot-"


class UnknownServiceError(Exception):
    """There is no image of that name, or it has no such extra."""

    code = "unknown_service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a distribution says of its image; see the module."""

    licences: str = "Apache-2.0"
    environment: Mapping[str, str]
    ports: Mapping[str, int]
    writable: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One pyproject.toml below services/.

    Attributes:
        name: "earshot-skill-clock".
        folder: Relative to the root: "services/skills/clock".
        package: "earshot_skill_clock".
        dependencies: Requirements as they are written there.
        extras: What its optional parts require besides, by their names.
        image: None for a library.
    """

    name: str
    version: str
    description: str
    folder: str
    package: str
    dependencies: tuple[str, ...]
    extras: Mapping[str, tuple[str, ...]]
    image: Image | None

    @property
    def service(self) -> str:
        """The image's name without its prefix: "skill-clock"."""
        return self.name.removeprefix(OWN)


def read(path: Path) -> Distribution:
    """Read one pyproject.toml."""
    document = tomllib.loads(path.read_text())
    project = document["project"]
    (package,) = document["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][:1]
    said = document["tool"].get("earshot", {}).get("image")
    return Distribution(
        name=project["name"],
        version=project["version"],
        description=project["description"],
        folder=path.parent.relative_to(ROOT).as_posix(),
        package=Path(package).name,
        dependencies=tuple(project.get("dependencies", ())),
        extras={name: tuple(texts) for name, texts in project.get("optional-dependencies", {}).items()},
        image=None
        if said is None
        else Image(
            licences=said.get("licences", "Apache-2.0"),
            environment=said.get("environment", {}),
            ports=said.get("ports", {}),
            writable=tuple(said.get("writable", ())),
        ),
    )


@functools.cache
def distributions() -> dict[str, Distribution]:
    """Return every distribution of the workspace by its name."""
    paths = [*ROOT.glob("services/*/pyproject.toml"), *ROOT.glob("services/skills/*/pyproject.toml")]
    return {found.name: found for found in map(read, sorted(paths))}


def images() -> dict[str, Distribution]:
    """Return what becomes an image, by service."""
    return {found.service: found for found in distributions().values() if found.image is not None}


def image_of(service: str) -> Distribution:
    """Return the distribution of a service; a skill's name may leave "skill-" out.

    Raises:
        UnknownServiceError: There is none.
    """
    known = images()
    for name in (service, f"skill-{service}"):
        if name in known:
            return known[name]
    raise UnknownServiceError(f"there is no image of {service!r}; there are {', '.join(known)}")


def name_of(requirement: str) -> str:
    """Return the distribution that a requirement names, in the normal form."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    if found is None:
        raise ValueError(requirement)
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def closure(distribution: Distribution) -> tuple[Distribution, ...]:
    """Return a distribution and all of the workspace that it depends on, by name."""
    known = distributions()
    found: dict[str, Distribution] = {}
    todo = [distribution]
    while todo:
        current = todo.pop()
        if current.name not in found:
            found[current.name] = current
            todo.extend(known[name] for name in map(name_of, current.dependencies) if name in known)
    return tuple(found[name] for name in sorted(found))


def foreign(distribution: Distribution) -> tuple[str, ...]:
    """Return what a distribution and its libraries require from elsewhere."""
    known = distributions()
    return tuple(
        sorted({text for part in closure(distribution) for text in part.dependencies if name_of(text) not in known})
    )
