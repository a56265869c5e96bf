"""Make .venv from what a fresh machine has: Python 3.11 or newer with its venv module, and the package registries.

Usage: python3 deploy/local/environment.py

Nothing but the standard library may be imported here: this runs before anything is installed.

The order is: take the lock (two makes may run at once), compare the fingerprint of everything that decides what is
installed with the one written last, and stop there when they agree. Otherwise create .venv if its Python does not
run, let pip install uv by its hashes, let uv install all of requirements/all.txt by theirs, add the workspace's own
distributions as editable, and write the fingerprint last, so that an interrupted run is begun again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / ".installed"
LOCK = ROOT / "build" / "environment.lock"
REQUIREMENTS = ROOT / "requirements"
MINIMUM = (3, 11)


def say(text: str) -> None:
    """Print a progress line, to stderr: stdout belongs to the command that make was asked for."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def fail(text: str) -> NoReturn:
    """Print one sentence and leave with exit code 1."""
    print(f"earshot: {text}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def check_python() -> None:
    """Refuse a Python that can't carry the environment, and name what to install."""
    if sys.version_info < MINIMUM:
        fail(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}. Set PYTHON=… to another one.")
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        fail(
            f"Python's {' and '.join(missing)} module is missing. On Debian and Ubuntu: "
            f"apt install python3-venv (or python{version}-venv).",
        )


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Hold the environment's lock; say so when another process has it."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as handle:
        try:
            import fcntl  # noqa: PLC0415 - does not exist on Windows, where nothing is locked
        except ImportError:
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another make is setting up .venv: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def distributions() -> list[Path]:
    """Return the folders of the workspace's distributions."""
    found = [*ROOT.glob("services/*/pyproject.toml"), *ROOT.glob("services/skills/*/pyproject.toml")]
    return sorted(path.parent for path in found)


def fingerprint() -> str:
    """Return a digest of everything that decides what is installed and where it points."""
    digest = hashlib.sha256(f"{ROOT}\n".encode())
    inputs = [Path(__file__), *sorted(REQUIREMENTS.glob("*.txt"))]
    for path in [*inputs, *(folder / "pyproject.toml" for folder in distributions())]:
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def python_of_venv() -> Path:
    """Return the environment's interpreter."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def runs(python: Path) -> bool:
    """Tell whether the environment's interpreter starts and is new enough; it need not be the one that runs this."""
    if not python.exists():
        return False
    code = f"import sys; sys.exit(sys.version_info < {MINIMUM})"
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0  # noqa: S603


def run(
    what: str, command: list[str | Path], env: dict[str, str] | None = None, instead: list[str | Path] | None = None
) -> None:
    """Run one step with a line before it and its seconds after it; its output is shown only when it fails.

    Args:
        what: The line.
        command: What to run.
        env: Its environment; None: ours.
        instead: Run when the command fails.
    """
    say(what)
    began = time.monotonic()
    result = subprocess.run(  # noqa: S603 - commands are put together here
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode != 0:
        print(result.stdout[-4000:], file=sys.stderr)
        if instead is None:
            fail(f"this step failed: {what}. Run the same command again once its cause is gone.")
        run(f"{what}, another way", instead)
    say(f"  {time.monotonic() - began:.1f} s")


def uv_environment(python: Path) -> dict[str, str]:
    """Return uv's environment, with the index that pip is configured for: a machine is set up for pip, rarely for uv.

    Extra indexes are left out: where two have the same version, uv takes the files of one alone, and that may lack the
    wheel for this machine.
    """
    env = dict(os.environ, VIRTUAL_ENV=str(VENV), UV_NO_PROGRESS="1")
    # A busy machine may take longer than uv's minute to compile a module.
    env.setdefault("UV_COMPILE_BYTECODE_TIMEOUT", "0")
    answer = subprocess.run(  # noqa: S603 - our own path
        [python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    configured: dict[str, str] = {}
    for line in answer.stdout.splitlines():
        key, _, value = line.partition("=")
        configured[key.rsplit(".", 1)[-1]] = value.strip("'\"")
    for option, variable in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
        if configured.get(option):
            env.setdefault(variable, configured[option])
    return env


def install() -> None:
    """Bring .venv to what the requirements say."""
    python = python_of_venv()
    if not runs(python):
        if VENV.exists():
            say("removing .venv: its Python does not run, or is too old")
            shutil.rmtree(VENV)
        run("creating .venv", [sys.executable, "-m", "venv", VENV])
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run("installing uv", [*pip, "--require-hashes", "-r", REQUIREMENTS / "uv.txt"])
    env = uv_environment(python)
    uv: list[str | Path] = [python, "-m", "uv", "pip", "install", "--quiet", "--python", python]
    # Compiled here, once, on all cores: otherwise every service would compile the same modules at their first start.
    run(
        "installing the packages of requirements/all.txt (about 100; the longest step)",
        [*uv, "--compile-bytecode", "--require-hashes", "-r", REQUIREMENTS / "all.txt"],
        env,
        instead=[*pip, "--require-hashes", "-r", REQUIREMENTS / "all.txt"],
    )
    editable: list[str | Path] = [part for folder in distributions() for part in ("-e", folder)]
    run("installing Earshot's own distributions", [*uv, "--no-deps", "--no-build-isolation", *editable], env)


def main() -> None:
    """Run the command."""
    check_python()
    with locked():
        wanted = fingerprint()
        if not (STAMP.exists() and STAMP.read_text() == wanted):
            install()
            STAMP.write_text(wanted)
        STAMP.touch()


if __name__ == "__main__":
    main()
