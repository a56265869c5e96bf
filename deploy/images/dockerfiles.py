"""Write what an image is built from: a Dockerfile and requirements.txt in the folder of each service and skill.

Usage: python -m images.dockerfiles [--check]

All of it follows from pyproject.toml and requirements/all.txt. --check writes nothing and names what differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from images.pins import UnpinnedError, pins
from images.workspace import ROOT, Distribution, closure, foreign, images

TOOLS = "deploy/images/tools.txt"
# What makes wheels of our own distributions, and of the foreign ones that have none.
_TOOLS = ("hatchling", "setuptools")
BASE = "deploy/images/base.txt"
GRPC_PORT = 50051
HTTP_PORT = 8080
USER = "10001:10001"
ENVIRONMENT = {
    # Of the base's own variables none is taken over.
    "PATH": "/opt/earshot/bin:/usr/local/bin:/usr/bin",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",  # noqa: S108 - the one place that is always writable
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "GRPC_VERBOSITY": "ERROR",
    "EARSHOT_GRPC_HOST": "0.0.0.0",
    "EARSHOT_GRPC_PORT": str(GRPC_PORT),
    "EARSHOT_HTTP_HOST": "0.0.0.0",
    "EARSHOT_HTTP_PORT": str(HTTP_PORT),
}

_TEMPLATE = """\
# Written by `make dockerfiles` from pyproject.toml; deploy/images says what it promises and how it is built.
ARG BASE={base}

FROM ${{BASE}} AS build
ARG PIP_INDEX_URL="" PIP_CONFIG_FILE=/run/build/settings/pip.conf
WORKDIR /build
COPY deploy/images/assemble.py {tools} ./
RUN ["python3", "assemble.py", "tools"]
ARG REQUIREMENTS=requirements.txt
COPY {folder}/$REQUIREMENTS requirements.txt
RUN ["python3", "assemble.py", "dependencies"]
{copies}
RUN ["python3", "assemble.py", "distributions"]

FROM ${{BASE}} AS sealed
COPY deploy/images/seal.py /
RUN ["python3", "/seal.py"]

# One layer of what seal.py has left: in layers upon the base, what it removed would still be shipped.
FROM scratch
COPY --from=sealed / /
COPY --from=build /opt/earshot /opt/earshot
COPY --from=build /opt/earshot-own /opt/earshot-own
ARG VERSION=unversioned REVISION=unknown BASE_NAME=unknown BASE_DIGEST=unknown
LABEL org.opencontainers.image.title="earshot/{service}" \\
      org.opencontainers.image.description="{description}" \\
      org.opencontainers.image.licenses="{licences}" \\
      org.opencontainers.image.version="$VERSION" \\
      org.opencontainers.image.revision="$REVISION" \\
      org.opencontainers.image.base.name="$BASE_NAME" \\
      org.opencontainers.image.base.digest="$BASE_DIGEST"
ENV {environment}
EXPOSE {ports}
USER {user}
WORKDIR /
ENTRYPOINT ["/opt/earshot/bin/python", "-m", "{package}"]
"""


def official() -> str:
    """Return the base that images stand on unless another is given: the one line of base.txt that is no comment.

    Raises:
        ValueError: There is none, or more than one.
    """
    lines = (line.strip() for line in (ROOT / BASE).read_text().splitlines())
    found = [line for line in lines if line and not line.startswith("#")]
    if len(found) != 1 or len(found[0].split()) != 1:
        raise ValueError(f"{BASE} has to name one base image, and names {len(found)}")
    return found[0]


def requirements(extra: str = "") -> str:
    """Return the name of a requirement file: of a distribution as it is, or with one of its extras."""
    return f"requirements-{extra}.txt" if extra else "requirements.txt"


def dockerfile(distribution: Distribution) -> str:
    """Return the Dockerfile of a distribution.

    Raises:
        ValueError: It is a library.
    """
    image = distribution.image
    if image is None:
        raise ValueError(distribution.name)
    environment = {**ENVIRONMENT, **image.environment}
    return _TEMPLATE.format(
        base=official(),
        tools=TOOLS,
        folder=distribution.folder,
        copies="\n".join(f"COPY {part.folder} {part.folder}" for part in closure(distribution)),
        service=distribution.service,
        description=distribution.description,
        licences=image.licences,
        environment=" \\\n    ".join(f'{name}="{value}"' for name, value in environment.items()),
        ports=" ".join(str(port) for port in (GRPC_PORT, HTTP_PORT, *image.ports.values())),
        user=USER,
        package=distribution.package,
    )


def files() -> dict[Path, str]:
    """Return every file that is written, with its text.

    Raises:
        UnpinnedError: Something that an image needs has no pin.
    """
    found = {ROOT / TOOLS: pins(_TOOLS)}
    for distribution in images().values():
        found[ROOT / distribution.folder / "Dockerfile"] = dockerfile(distribution)
        found[ROOT / distribution.folder / requirements()] = pins(foreign(distribution))
        for extra, more in distribution.extras.items():
            found[ROOT / distribution.folder / requirements(extra)] = pins((*foreign(distribution), *more))
    return found


def main() -> None:
    """Run the command.

    Raises:
        SystemExit: Something differs, or has no pin.
    """
    try:
        wanted = files()
    except UnpinnedError as error:
        raise SystemExit(f"{error.code}: {error}") from None
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        if differing:
            names = ", ".join(path.relative_to(ROOT).as_posix() for path in differing)
            raise SystemExit(f"out of date: {names}. Run `make dockerfiles`.")
        return
    for path in differing:
        path.write_text(wanted[path])
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
