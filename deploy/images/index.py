"""How the pip of a build reaches the index that this machine's pip is set up for. No address stands in any file of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Of what a machine's pip is told, this decides where packages come from; constraints and the like do not belong in an image.
_OPTIONS = ("index-url", "extra-index-url", "find-links", "trusted-host", "cert", "timeout", "default-timeout", "proxy")
_SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")


def configured() -> dict[str, str]:
    """Return what this machine's pip is told: configuration files and PIP_* variables."""
    answer = subprocess.run(
        (sys.executable, "-m", "pip", "config", "list"), capture_output=True, text=True, check=False
    )
    found: dict[str, str] = {}
    for line in answer.stdout.splitlines():
        key, _, value = line.partition("=")
        option = key.rsplit(".", 1)[-1]
        if option in _OPTIONS:
            found[option] = value.strip("'\"").replace("\\n", " ").strip()
    return found


def arguments(scratch: Path) -> list[str]:
    """Return buildah's arguments: pip's configuration, and the folders and certificates that it names, mounted read-only.

    Args:
        scratch: Folder for the configuration; outlives the build.
    """
    settings = configured()
    folders = []
    for value in settings.values():
        for word in value.split():
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.exists():
                # An index in a folder names its files relative to it, beside it.
                folders.append(path.parent if path.name == "simple" else path)
    # Behind a proxy that signs for others, what this machine trusts is what the build has to.
    if "cert" not in settings and _SYSTEM.exists():
        settings["cert"] = str(_SYSTEM)
        folders.append(_SYSTEM)
    file = scratch / "pip.conf"
    lines = [f"{option} = {value}" for option, value in settings.items()]
    file.write_text("\n".join(["[global]", *lines, ""]))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earshot" / "images"
    cache.mkdir(parents=True, exist_ok=True)
    mounts = [(file, Path("/etc/pip.conf"), "ro"), *((path, path, "ro") for path in dict.fromkeys(folders))]
    # Nothing is installed twice from afar; pip looks at the hashes of what it finds there, too.
    mounts.append((cache, Path("/root/.cache/pip"), "rw"))
    return [part for here, there, mode in mounts for part in ("--volume", f"{here}:{there}:{mode}")]
