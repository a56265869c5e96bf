"""Debian's buildah: where it keeps things, whether it can work here, and its commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SUBORDINATES = Path("/etc/subuid")


class MissingToolError(Exception):
    """Something that has to be installed is not; the message says what and how."""

    code = "missing_tool"


class BuildahError(Exception):
    """A command of buildah's failed; its output is the message."""

    code = "buildah_failed"


class Buildah:
    """Runs buildah.

    Args:
        storage: Folder to keep images and containers in; None: its own place, which podman shares.

    Raises:
        MissingToolError: It is not installed, or this user can't use it.
    """

    def __init__(self, storage: Path | None = None) -> None:
        if shutil.which("buildah") is None:
            raise MissingToolError(
                "buildah is missing: apt-get install buildah. (With Docker, none of this is needed: "
                "docker build -f services/<service>/Dockerfile .)"
            )
        if os.geteuid() != 0 and not _SUBORDINATES.exists():
            raise MissingToolError("buildah needs root here, or subordinate ids for this user: apt-get install uidmap")
        self._storage = storage
        self._global: list[str] = []
        if storage is not None:
            self._global = ["--root", str(storage / "images"), "--runroot", str(storage / "run")]
        self._environment = {"BUILDAH_ISOLATION": "chroot", **os.environ}
        if "STORAGE_DRIVER" not in self._environment and self._overlay_fails():
            self._environment["STORAGE_DRIVER"] = "vfs"

    def _overlay_fails(self) -> bool:
        """Tell whether its first choice of storage can't be had, as inside another container."""
        return self._done(("info",), capture=True).returncode != 0

    def _done(self, arguments: Sequence[str], *, capture: bool) -> subprocess.CompletedProcess[str]:
        # Without a configuration of podman's, buildah says where it looked in vain at each command.
        return subprocess.run(  # noqa: S603 - arguments are put together in this folder
            ("buildah", *self._global, *arguments),  # noqa: S607 - wherever it is installed
            env=self._environment,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.PIPE if capture else None,
            text=True,
            check=False,
        )

    def ask(self, *arguments: str) -> str:
        """Run a command and return what it prints.

        Raises:
            BuildahError: It failed.
        """
        done = self._done(arguments, capture=True)
        if done.returncode:
            raise BuildahError(f"buildah {arguments[0]}: {done.stderr.strip()[-2000:]}")
        return done.stdout.strip()

    def show(self, *arguments: str) -> None:
        """Run a command, with its output for whoever sits there.

        Raises:
            BuildahError: It failed.
        """
        if self._done(arguments, capture=False).returncode:
            raise BuildahError(f"buildah {arguments[0]} failed; what it said stands above")

    def has(self, image: str) -> bool:
        """Tell whether an image is here."""
        return self._done(("inspect", "--type", "image", image), capture=True).returncode == 0

    def configuration(self, image: str) -> dict[str, Any]:
        """Return an image's OCI configuration: Env, Entrypoint, User, Labels and so on.

        Raises:
            BuildahError: There is no such image.
        """
        found: dict[str, Any] = json.loads(self.ask("inspect", "--type", "image", image))["OCIv1"]["config"]
        return found

    def digest(self, image: str) -> str:
        """Return the digest of an image that is here: of its manifest for this platform.

        Raises:
            BuildahError: There is no such image.
        """
        found: dict[str, Any] = json.loads(self.ask("inspect", "--type", "image", image))
        return str(found["FromImageDigest"])

    def pulls(self, image: str, patience_s: float) -> bool:
        """Pull an image; return whether it is here then."""
        try:
            subprocess.run(  # noqa: S603 - as above
                ("buildah", *self._global, "pull", "--quiet", image),  # noqa: S607
                env=self._environment,
                capture_output=True,
                timeout=patience_s,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return False
        return True

    def size(self, image: str) -> int:
        """Return an image's bytes as it lies unpacked, its base included.

        Raises:
            BuildahError: There is no such image.
        """
        (found,) = json.loads(self.ask("images", "--json", image))
        return int(found["size_bytes"]) if "size_bytes" in found else parsed(found["size"])

    def clear(self, *, images: bool) -> None:
        """Remove every container, what interrupted builds have left included, and on request every image, from its folder.

        Raises:
            ValueError: It works in the storage that others share.
            BuildahError: Something is in use.
        """
        if self._storage is None:
            raise ValueError("the shared storage is not cleared")
        self.ask("rm", "--all")
        if images:
            self.ask("rmi", "--all", "--force")
            # The overlay driver mounts its folder on itself.
            subprocess.run(("umount", self._storage / "images" / "overlay"), capture_output=True, check=False)  # noqa: S603, S607
            shutil.rmtree(self._storage, ignore_errors=True)


def parsed(size: str) -> int:
    """Return the bytes of a size as buildah prints it: "312 MB"."""
    number, unit = size.split()
    return int(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])
