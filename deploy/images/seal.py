"""Take from an image what only its build needs, in the last stage: pip and its like, set-user-id bits; refuse compilers.

Usage: python3 /seal.py      (as root; it removes itself)

The user 10001 gets a name, because some libraries look it up, and the folders that a deployment may mount are made.
"""

from __future__ import annotations

import os
import shutil
import stat
import sysconfig
from pathlib import Path

USER = 10001
FOLDERS = ("/var/cache/earshot", "/var/lib/earshot", "/var/lib/earshot-models", "/run/earshot/bus")
_PACKAGES = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "distutils-precedence.pth", "ensurepip")
_METADATA = ("pip-*", "setuptools-*", "wheel-*")
_INSTALLERS = ("pip", "pip3", "pip3.*", "pip-*", "wheel", "easy_install*")
_COMPILERS = ("cc", "gcc", "c++", "g++", "clang", "ld", "as", "make", "cargo", "uv")
_PROGRAMS = ("usr/local/bin", "usr/bin", "usr/local/sbin", "usr/sbin")


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def build_tools(root: Path) -> None:
    """Remove pip and what comes with it, wherever this Python has it."""
    library = root / sysconfig.get_path("stdlib").lstrip("/")
    for folder in (library, library / "site-packages", library.parent / "python3" / "dist-packages"):
        for pattern in (*_PACKAGES, *_METADATA):
            for path in folder.glob(pattern):
                remove(path)
    for name in _PROGRAMS:
        for pattern in _INSTALLERS:
            for path in (root / name).glob(pattern):
                remove(path)
    shutil.rmtree(root / "usr/share/python-wheels", ignore_errors=True)


def check_compilers(root: Path) -> None:
    """Refuse a base with compilers: they can't be taken out file by file.

    Raises:
        SystemExit: It has some.
    """
    found = sorted({name for folder in _PROGRAMS for name in _COMPILERS if (root / folder / name).exists()})
    if found:
        raise SystemExit(f"base_has_build_tools: this base brings {', '.join(found)}; take a slim one")


def privileges(root: Path) -> None:
    """Take set-user-id and set-group-id from every program."""
    for folder, _, names in os.walk(root / "usr"):
        for name in names:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(stat.S_IMODE(mode) & 0o777)


def seal(root: Path) -> None:
    """Do all of it.

    Raises:
        SystemExit: The base has compilers.
    """
    check_compilers(root)
    build_tools(root)
    privileges(root)
    for name, line in (
        ("passwd", f"earshot:x:{USER}:{USER}::/tmp:/usr/sbin/nologin\n"),
        ("group", f"earshot:x:{USER}:\n"),
    ):
        with (root / "etc" / name).open("a") as handle:
            handle.write(line)
    for folder in FOLDERS:
        (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    seal(Path("/"))
    Path(__file__).unlink()
