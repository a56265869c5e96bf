"""What images of tests run: the real skill runtime with the toy of toy_skill, in a process of its own.

Processes are forked from one server that has imported everything already: a pod starts in a tenth of a second.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from support.kube.kubelet import Process, Start

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["support.kube.images", "support.toy_skill", "earshot_skillkit", "earshot_operator.composition", "uvloop"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toy:
    """One image of the toy skill.

    Attributes:
        version: Of its distribution.
        id: What it says that it is.
        locales: What it speaks.
        fails: Whether it ends as soon as it begins.
        silent: Whether it never listens.
    """

    version: str
    id: str = "toy"
    locales: tuple[str, ...] = ("en-US", "zh-CN")
    fails: bool = False
    silent: bool = False

    def __call__(self, environment: Mapping[str, str]) -> Process:
        """Start it."""
        return Forked(_run_toy, self, environment)


class Forked:
    """A process of this Python."""

    def __init__(self, function: object, *arguments: object) -> None:
        self._process = _FORKS.Process(target=function, args=arguments, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its id."""
        return int(self._process.pid or 0)

    def alive(self) -> bool:
        """Tell whether it runs."""
        return self._process.is_alive()

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL and wait."""
        self._process.kill()
        self._process.join()


class Started:
    """A process of any command."""

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        # Of its own environment alone, as in a container.
        self._process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL)

    def alive(self) -> bool:
        """Tell whether it runs."""
        return self._process.poll() is None

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL and wait."""
        self._process.kill()
        self._process.wait()


def module(name: str) -> Start:
    """Return what starts a real service or skill: python -m <name>."""
    return functools.partial(Started, (sys.executable, "-P", "-m", name))


def settle(environment: Mapping[str, str], log: str = "") -> None:
    """Begin a forked process: its environment is this one, and what it says goes to a file or nowhere."""
    os.environ.clear()
    os.environ.update(environment)
    target = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)


def _run_toy(image: Toy, environment: Mapping[str, str]) -> None:
    settle(environment, os.environ.get("TOY_LOG", ""))
    if image.fails:
        raise SystemExit(1)
    if image.silent:
        signal.pause()
    from earshot_skillkit import load_folder, run  # noqa: PLC0415 - what is tested is imported where it runs
    from support import toy_skill  # noqa: PLC0415 - likewise

    with tempfile.TemporaryDirectory() as folder:
        package = load_folder(toy_skill.write_toy(Path(folder) / "toy"), version=image.version)
    manifest = package.manifest.model_copy(update={"id": image.id, "locales": image.locales})
    words = {locale: package.words[locale] for locale in image.locales}
    run(replace(package, manifest=manifest, words=words), toy_skill.Toy)
