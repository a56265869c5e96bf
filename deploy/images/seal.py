"""Take from an image what only its build needs, in the second stage: pip and its like, compilers, set-user-id programs.

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
_PACKAGES = ("pip", "pip-*", "setuptools", "setuptools-*", "wheel", "wheel-*", "pkg_resources", "_distutils_hack")
_PACKAGES_TOO = ("distutils-precedence.pth", "ensurepip")
_PROGRAMS = ("pip", "pip3", "pip3.*", "pip-*", "wheel", "easy_install*")
_COMPILERS = ("cc", "gcc", "c++", "g++", "clang", "ld", "as", "make", "pip", "pip3", "uv")


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def build_tools() -> None:
    """Remove pip and what comes with it, wherever this Python has it."""
    library = Path(sysconfig.get_path("stdlib"))
    for folder in (library, library / "site-packages", library.parent / "python3" / "dist-packages"):
        for pattern in (*_PACKAGES, *_PACKAGES_TOO):
            for path in folder.glob(pattern):
                remove(path)
    for folder in programs():
        for pattern in _PROGRAMS:
            for path in folder.glob(pattern):
                remove(path)
    shutil.rmtree("/usr/share/python-wheels", ignore_errors=True)


def programs() -> list[Path]:
    """Return the folders of programs."""
    return [Path(folder) for folder in ("/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin")]


def compilers() -> None:
    """Refuse a base with compilers: they can't be taken out file by file.

    Raises:
        SystemExit: It has some.
    """
    found = sorted({name for folder in programs() for name in _COMPILERS if (folder / name).exists()})
    if found:
        raise SystemExit(f"base_has_build_tools: this base brings {', '.join(found)}; take a slim one")


def privileges() -> None:
    """Take set-user-id and set-group-id from every program."""
    for folder, _, names in os.walk("/usr"):
        for name in names:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(stat.S_IMODE(mode) & 0o777)


def main() -> None:
    """Run all of it."""
    build_tools()
    compilers()
    privileges()
    for name, line in (
        ("passwd", f"earshot:x:{USER}:{USER}::/tmp:/usr/sbin/nologin\n"),
        ("group", f"earshot:x:{USER}:\n"),
    ):
        with Path("/etc", name).open("a") as handle:
            handle.write(line)
    for folder in FOLDERS:
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path(__file__).unlink()


if __name__ == "__main__":
    main()
