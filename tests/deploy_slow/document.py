"""The commands of docs/deploy.md, and somewhere to run them as they stand."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.manifests import DEPLOY, ROOT

DOCUMENT: Final = ROOT / "docs" / "deploy.md"
SCRIPTS: Final = Path(sys.executable).parent
# What is in the document's blocks and is not run here, with the reason.
NOT_HERE: Final = {
    "make images": "make test-images builds images and runs them",
    "for image in ": "there is no registry",
    "make registry ": "the API server's kubelet knows images by their own names; tests/deploy does it",
    "export EARSHOT_HOME": "it is a folder of the test's own",
    "kubectl -n earshot port-forward ": "the API server has none; Services are addresses of this machine",
    "earshot attach ": "with those addresses, by the test",
    "git revert ": "there is no checkout to revert",
}
# The API server can't read the protobuf in which `create` is written.
_KUBECTL: Final = """#!/bin/sh
case " $* " in
*" create "*) "{kubectl}" "$@" --dry-run=client -o yaml | exec "{kubectl}" apply -f - ;;
*) exec "{kubectl}" "$@" ;;
esac
"""


def commands(section: str) -> list[str]:
    """Return the commands in the blocks of one of the document's sections, without comments.

    Raises:
        KeyError: It has no such section, or nothing to run in it.
    """
    found = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"^```\n(.*?)^```", found[1] if found else "", re.DOTALL | re.MULTILINE)
    lines = [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]
    here = [line for line in lines if not line.startswith(tuple(NOT_HERE))]
    if not here:
        raise KeyError(section)
    return here


def edit(folder: str) -> str:
    """Return what the document has somebody write into a folder's kustomization for another version.

    Raises:
        KeyError: It no longer says so.
    """
    found = re.search(
        rf"`deploy/{folder}/kustomization.yaml`,\s`(images: .*?)`, (?:then|and run it):$",
        DOCUMENT.read_text(),
        re.MULTILINE,
    )
    if found is None:
        raise KeyError("images")
    return found[1]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an SRE sits: a checkout's deploy/, a kubeconfig, and the commands on the path.

    Attributes:
        checkout: Where commands are run.
        environment: With what.
    """

    checkout: Path
    environment: Mapping[str, str]

    @classmethod
    def at(cls, folder: Path, kubeconfig: Path) -> Desk:
        """Make one."""
        shutil.copytree(DEPLOY, folder / "checkout" / "deploy")
        kubectl = folder / "bin" / "kubectl"
        kubectl.parent.mkdir()
        kubectl.write_text(_KUBECTL.format(kubectl=SCRIPTS / "kubectl"))
        kubectl.chmod(0o755)
        path = os.pathsep.join([str(kubectl.parent), str(SCRIPTS), os.environ["PATH"]])
        told = {"PATH": path, "KUBECONFIG": str(kubeconfig), "EARSHOT_HOME": str(folder / "home")}
        return cls(folder / "checkout", {**os.environ, **told})

    async def run(self, command: str) -> str:
        """Run a line as it stands; return what it printed."""
        process = await asyncio.create_subprocess_exec(
            *("bash", "-o", "pipefail", "-ec", command),
            cwd=self.checkout,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate()
        assert process.returncode == 0, (command, errors.decode()[-2000:])
        return out.decode()
