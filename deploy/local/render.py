"""Print what a folder of deploy/ renders to: python deploy/local/render.py deploy/overlays/prod.

kubectl does it: the one that `make setup` installs, or the one on the path. One that is too old knows no components, and its
own message ("unknown field") tells nobody what to do.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

# kustomize 5, with components and patches as they are used here.
NEEDED = (1, 27)


def program() -> str:
    """Return kubectl: EARSHOT_KUBECTL, the environment's own, or the one on the path.

    Raises:
        SystemExit: kubectl_missing, kubectl_too_old.
    """
    found = os.environ.get("EARSHOT_KUBECTL")
    for folder in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent), None):
        found = found or shutil.which("kubectl", path=folder)
    if not found:
        raise SystemExit("kubectl_missing: there is no kubectl; make setup installs one")
    version = _version(found)
    if version < NEEDED:
        raise SystemExit(
            f"kubectl_too_old: {found} is {version[0]}.{version[1]}, which knows no kustomize components; "
            f"{NEEDED[0]}.{NEEDED[1]} or newer is needed, and make setup installs one"
        )
    return found


def _version(kubectl: str) -> tuple[int, int]:
    told = subprocess.run(  # noqa: S603 - kubectl itself
        [kubectl, "version", "--client", "-o", "json"], capture_output=True, text=True, check=False
    )
    try:
        client = json.loads(told.stdout)["clientVersion"]
        return int(client["major"]), int(client["minor"].rstrip("+"))
    except (ValueError, KeyError) as error:
        raise SystemExit(
            f"kubectl_unknown: {kubectl} does not tell its version: {told.stderr.strip()[:200]}"
        ) from error


def main() -> None:
    """Render one folder.

    Raises:
        SystemExit: kubectl can't be used, or refuses the folder.
    """
    if len(sys.argv) != 2:
        raise SystemExit("usage: render.py FOLDER")
    code = subprocess.run([program(), "kustomize", sys.argv[1]], check=False).returncode  # noqa: S603 - kubectl itself
    # Whoever reads no further, as head does, has what it wants.
    raise SystemExit(0 if code == -signal.SIGPIPE else code)


if __name__ == "__main__":
    main()
