"""Put an image's Python together, in the first stage of its build; no part of this stage is in the image but what it makes.

Usage: python3 assemble.py tools | dependencies | distributions      (in /build; nothing but the standard library is there)

`dependencies` makes /opt/earshot, an environment without pip, of requirements.txt. `distributions` makes
/opt/earshot-own of the workspace's own that lie in services/, on the environment's path: a layer of its own, so that an image
with new code shares all others with its predecessor. Both compile to bytecode that is not compared with its source's time,
which builders change.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ENVIRONMENT = Path("/opt/earshot")
OWN = Path("/opt/earshot-own")
TOOLS = Path("/tools")
WHEELS = Path("/wheels")


def run(*command: str | Path, within: Path | None = None) -> None:
    """Run a command in a folder; end with it when it fails."""
    # What pip and others print of their progress is of no use in a build's log; errors have a place of their own.
    done = subprocess.run(command, cwd=within, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - commands are put together here
    if done.returncode:
        raise SystemExit(done.returncode)


def pip(*arguments: str | Path) -> None:
    """Run the tools' pip."""
    run(TOOLS / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-qq", *arguments)


def compiled(folder: Path) -> None:
    """Compile everything below a folder; a few files of others' tests are no Python, which is no matter."""
    command = (sys.executable, "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash", str(folder))
    subprocess.run(command, check=False)  # noqa: S603 - likewise


def tools() -> None:
    """Make what makes the rest: pip, and what builds wheels. It is the same for every image, and built once."""
    run(sys.executable, "-m", "venv", TOOLS)
    pip("install", "--require-hashes", "-r", "tools.txt")


def dependencies() -> None:
    """Make the environment of what others wrote."""
    run(sys.executable, "-m", "venv", "--without-pip", ENVIRONMENT)
    # The few that have no wheel are built with the tools that are pinned, not with any that pip would fetch.
    pinned = ("--require-hashes", "--no-build-isolation", "-r", "requirements.txt")
    into = ("--prefix", ENVIRONMENT, "--ignore-installed", "--no-compile", "--no-warn-script-location")
    pip("install", *into, *pinned)
    for script in (ENVIRONMENT / "bin").iterdir():
        if not script.name.startswith("python"):
            script.unlink()
    (packages,) = ENVIRONMENT.glob("lib/python3.*/site-packages")
    (packages / "earshot.pth").write_text(f"{OWN}\n")
    compiled(ENVIRONMENT)


def distributions() -> None:
    """Add our own."""
    found = [*Path("services").glob("*/pyproject.toml"), *Path("services").glob("skills/*/pyproject.toml")]
    for path in sorted(found):
        run(TOOLS / "bin" / "python", "-m", "hatchling", "build", "-t", "wheel", "-d", WHEELS, within=path.parent)
    pip("install", "--no-index", "--no-deps", "--no-compile", "--target", OWN, *sorted(WHEELS.glob("*.whl")))
    compiled(OWN)


if __name__ == "__main__":
    {"tools": tools, "dependencies": dependencies, "distributions": distributions}[sys.argv[1]]()
