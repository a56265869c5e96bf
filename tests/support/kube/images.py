"""What images of tests run: the real skill runtime with the toy of toy_skill, in a process of its own.

Processes are forked from one server that has imported everything already: a pod starts in a tenth of a second.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from earshot_local import lean
from support.kube.processes import Forked, Process, Start, Started, settle


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


def module(name: str) -> Start:
    """Return what starts a real service or skill: python -m <name>."""
    return functools.partial(Started, (sys.executable, "-P", lean.__file__, name))


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
