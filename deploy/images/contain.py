"""Run an image's root as a container would, without a container engine.

Usage: python -m images.contain <specification>

The process has a mount namespace in which the image's root is read-only but for the folders named, a process namespace in
which it is the first process, and its own host name space; it is the image's user with no privilege that any program could
give it, and has the image's environment and what is added. The network is this machine's. All of it is Linux's own system
calls, so it needs root and nothing else.

The one argument is a file of JSON: see `Specification`. Signals are passed on, and the exit code is the process's own. It dies
with whoever runs it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_MOUNTS, _NEW_NAMES, _NEW_IPC, _NEW_PROCESSES = 0x00020000, 0x04000000, 0x08000000, 0x20000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_DIES_WITH_PARENT, _NO_NEW_PRIVILEGES = 1, 38


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """What to run.

    Attributes:
        root: Folder of the image's files; it is not written to.
        command: The first process's arguments.
        user: Numeric user and group.
        environment: All of it.
        writable: Folders that are empty at the start and may be written to, in memory.
        files: Files of this machine by the place where the process finds a copy of its own.
    """

    root: str
    command: list[str]
    user: int
    environment: dict[str, str]
    writable: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(asdict(self)))


def _call(name: str, *arguments: object) -> None:
    if getattr(_LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}", arguments)


def _mount(source: str, target: Path | str, kind: str, flags: int, data: str = "") -> None:
    _call("mount", source.encode(), str(target).encode(), kind.encode(), flags, data.encode())


def arrange(specification: Specification) -> None:
    """Make the file systems: what is mounted where. Nothing of it is seen outside."""
    root = Path(specification.root)
    _mount("none", "/", "", _RECURSIVE | _PRIVATE)
    _mount(str(root), root, "", _BIND)
    _mount("proc", root / "proc", "proc", _NO_SUID | _NO_DEVICES)
    _mount("tmpfs", root / "dev", "tmpfs", _NO_SUID, "mode=755")
    for name in ("null", "zero", "random", "urandom"):
        (root / "dev" / name).touch()
        _mount(f"/dev/{name}", root / "dev" / name, "", _BIND)
    owner = f"uid={specification.user},gid={specification.user},mode=0700"
    for folder in ("/dev/shm", "/tmp", *specification.writable):  # noqa: S108 - in the image's own root
        place = root / folder.lstrip("/")
        if folder.startswith("/dev/"):
            place.mkdir()
        _mount("tmpfs", place, "tmpfs", _NO_SUID | _NO_DEVICES, owner)
    # What a deployment mounts: secrets in memory, names of this machine.
    for parent in {str(Path(inside).parent) for inside in specification.files}:
        _mount("tmpfs", root / parent.lstrip("/"), "tmpfs", _NO_SUID | _NO_DEVICES, "mode=0755")
    for inside, here in specification.files.items():
        copy = root / inside.lstrip("/")
        copy.write_bytes(Path(here).read_bytes())
        os.chown(copy, specification.user, specification.user)
        copy.chmod(0o400)
    _mount("none", root, "", _REMOUNT | _BIND | _READ_ONLY)


def become(specification: Specification) -> None:
    """Be the image's process: never returns."""
    os.chroot(specification.root)
    os.chdir("/")
    os.setgroups([])
    os.setresgid(specification.user, specification.user, specification.user)
    os.setresuid(specification.user, specification.user, specification.user)
    # After it has become another user, at which Linux forgets it.
    _call("prctl", _DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    os.execve(specification.command[0], specification.command, specification.environment)  # noqa: S606 - that is its purpose


def run(specification: Specification) -> int:
    """Run it; return its exit code, or minus the signal that ended it.

    Raises:
        OSError: This user may not, or a folder is missing in the image.
    """
    _call("unshare", _NEW_MOUNTS | _NEW_NAMES | _NEW_IPC | _NEW_PROCESSES)
    child = os.fork()
    if child == 0:
        try:
            arrange(specification)
            become(specification)
        except OSError as error:
            print(f"contain: {error}", file=sys.stderr)
        os._exit(125)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda heard, _: os.kill(child, heard))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def main() -> None:
    """Run the command."""
    code = run(Specification(**json.loads(Path(sys.argv[1]).read_text())))
    raise SystemExit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
