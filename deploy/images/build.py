"""Build a service's image, or everyone's.

Usage: python -m images.build [<service>] [--extra NAME] [--base IMAGE] [--storage FOLDER]

Without --base it stands on the image that base.txt names, if that is here or can be pulled, else on the offline base
(`base`); `--base offline` does not try. What it stands on is told by labels, and an image that has no digest is named.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from images import base, index
from images.buildah import Buildah, BuildahError, MissingToolError
from images.dockerfiles import BASE, files, official, requirements
from images.workspace import ROOT, Distribution, UnknownServiceError, image_of, images

_PULL_S = 60
# 1980, before which archives can't say when.
_STAMP = 315_532_800


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image that was built."""

    name: str
    base: str
    bytes: int
    seconds: float


def pinned(name: str) -> bool:
    """Tell whether a name means the same image for ever: whether it has a digest."""
    return re.search(r"@sha256:[0-9a-f]{64}$", name) is not None


def chosen(buildah: Buildah, wanted: str) -> str:
    """Return the base to stand on, which is here then.

    Raises:
        MissingToolError: The offline base is needed and can't be made.
        BuildahError: buildah refused.
    """
    if wanted and wanted != "offline":
        return wanted
    named = official()
    if wanted != "offline":
        if buildah.has(named):
            return named
        if buildah.pulls(named, _PULL_S):
            return named
        say(f"{named} is not here and can't be pulled: an offline base of this Debian's packages stands in for it")
    return base.make(buildah)


def say(text: str) -> None:
    """Print a progress line."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def git(*arguments: str) -> str:
    """Return what git says; nothing outside a checkout."""
    done = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout.strip() if done.returncode == 0 else ""


def check_files(distribution: Distribution) -> None:
    """Refuse to build from files that do not say what pyproject.toml says.

    Raises:
        BuildahError: They differ.
    """
    for path, text in files().items():
        if path.parent == ROOT / distribution.folder and path.read_text() != text:
            raise BuildahError(f"{path.relative_to(ROOT)} is out of date: run `make dockerfiles`")


def build(buildah: Buildah, service: str, wanted_base: str = "", extra: str = "") -> Built:
    """Build an image.

    Raises:
        UnknownServiceError: There is no such service, or no such extra.
        MissingToolError: Something has to be installed first.
        BuildahError: The build failed.
    """
    began = time.monotonic()
    distribution = image_of(service)
    if extra and extra not in distribution.extras:
        raise UnknownServiceError(
            f"{service} has no extra {extra!r}; it has {', '.join(distribution.extras) or 'none'}"
        )
    check_files(distribution)
    stands_on = chosen(buildah, wanted_base)
    digest = buildah.digest(stands_on)
    if not pinned(stands_on):
        say(
            f"{stands_on} is not pinned: another build may stand on another image of that name (this one: {digest}; {BASE})"
        )
    name = f"earshot/{distribution.service}:{distribution.version}{f'-{extra}' if extra else ''}"
    with tempfile.TemporaryDirectory(prefix="earshot-image-") as scratch:
        command = ["build", "--quiet", "--layers", "--format", "oci", "--tag", name, "--pull-never"]
        command += ["--file", str(ROOT / distribution.folder / "Dockerfile"), "--build-arg", f"BASE={stands_on}"]
        command += ["--build-arg", f"BASE_NAME={stands_on}", "--build-arg", f"BASE_DIGEST={digest}"]
        command += ["--build-arg", f"VERSION={distribution.version}"]
        command += ["--build-arg", f"REQUIREMENTS={requirements(extra)}"]
        command += ["--build-arg", f"REVISION={git('rev-parse', 'HEAD') or 'unknown'}"]
        command += ["--label", f"org.opencontainers.image.created={git('log', '-1', '--format=%cI') or 'unknown'}"]
        if "PIP_INDEX_URL" in os.environ:
            command += ["--build-arg", "PIP_INDEX_URL"]
        # Of nobody's clock, so that the same files make the same layer, whatever commit they are built from.
        command += ["--timestamp", str(_STAMP)]
        buildah.show(*command, *index.arguments(Path(scratch)), str(ROOT))
    return Built(name=name, base=stands_on, bytes=buildah.size(name), seconds=time.monotonic() - began)


def main() -> None:
    """Run the command.

    Raises:
        SystemExit: It can't be built; one line says why.
    """
    parser = argparse.ArgumentParser(prog="images.build", description="Build a service's image, or everyone's.")
    parser.add_argument("service", nargs="?", default="", help="asr, skill-clock; none: all of them")
    parser.add_argument("--extra", default="", help="an optional part to add: sherpa, for asr")
    parser.add_argument("--base", default="", help="image to stand on; offline: made of Debian's packages")
    parser.add_argument("--storage", type=Path, help="folder of images; else buildah's own")
    options = parser.parse_args()
    try:
        buildah = Buildah(options.storage)
        for service in [options.service] if options.service else images():
            built = build(buildah, service, options.base, options.extra)
            print(f"{built.name}  {built.bytes / 1e6:.0f} MB  on {built.base}  {built.seconds:.0f} s")
    except (UnknownServiceError, MissingToolError, BuildahError) as error:
        raise SystemExit(f"{error.code}: {error}") from None


if __name__ == "__main__":
    main()
