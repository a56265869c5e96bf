"""How the pip of a build reaches the index that this machine's pip is set up for. No address stands in any file of ours.

What it needs is mounted below /run/build, so that of this machine's paths nothing is left in an image.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Of what a machine's pip is told, this decides where packages come from; constraints and the like do not belong in an image.
_OPTIONS = ("index-url", "extra-index-url", "find-links", "trusted-host", "timeout", "default-timeout", "proxy")
_CERTIFICATES = "cert"
_SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")
_BELOW = "/run/build"


def configured() -> dict[str, str]:
    """Return what this machine's pip is told: configuration files and PIP_* variables."""
    answer = subprocess.run(
        (sys.executable, "-m", "pip", "config", "list"), capture_output=True, text=True, check=False
    )
    found: dict[str, str] = {}
    for line in answer.stdout.splitlines():
        key, _, value = line.partition("=")
        option = key.rsplit(".", 1)[-1]
        if option in (*_OPTIONS, _CERTIFICATES):
            found[option] = value.strip("'\"").replace("\\n", " ").strip()
    return found


def arguments(scratch: Path) -> list[str]:
    """Return buildah's arguments: pip's configuration, and the folders of packages that it names, mounted read-only.

    Args:
        scratch: Folder for the configuration; outlives the build.
    """
    settings = configured()
    # Behind a proxy that signs for others, what this machine trusts is what the build has to.
    certificates = Path(settings.pop(_CERTIFICATES, _SYSTEM))
    if certificates.exists():
        shutil.copy(certificates, scratch / "certificates.pem")
        settings[_CERTIFICATES] = f"{_BELOW}/settings/certificates.pem"
    mounts = {scratch: f"{_BELOW}/settings"}
    for option in _OPTIONS:
        words = []
        for word in settings.get(option, "").split():
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.exists():
                # An index in a folder names its files relative to it, beside it.
                folder = path.parent if path.name == "simple" else path
                inside = mounts.setdefault(folder, f"{_BELOW}/packages{len(mounts)}")
                words.append(word.replace(str(folder), inside))
            else:
                words.append(word)
        if words:
            settings[option] = " ".join(words)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earshot" / "images"
    cache.mkdir(parents=True, exist_ok=True)
    settings["cache-dir"] = f"{_BELOW}/cache"
    lines = [f"{option} = {value}" for option, value in settings.items()]
    (scratch / "pip.conf").write_text("\n".join(["[global]", *lines, ""]))
    volumes = [f"{here}:{there}:ro" for here, there in mounts.items()]
    # Nothing is fetched twice from afar; pip looks at the hashes of what it finds there, too.
    return [part for volume in (*volumes, f"{cache}:{_BELOW}/cache:rw") for part in ("--volume", volume)]
