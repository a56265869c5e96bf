"""Processes never outlive their supervisor: three nets under one another.

1. A supervisor that ends in order stops its children.
2. On Linux, a child is told by the kernel (PR_SET_PDEATHSIG) when its supervisor dies, whatever the reason.
3. A supervisor that starts ends what the last one from the same folder left behind; a process is known by its id and
   its start time together, so that a reused id is never hit.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

# prctl(PR_SET_PDEATHSIG, SIGTERM) outlives exec; a parent that died before it was called is seen by its id.
_TIE = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); "
    "os.getppid() == int(sys.argv[1]) or os._exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


def tied(command: Sequence[str]) -> list[str]:
    """Return a command whose process gets SIGTERM when this one dies; the same command where there is no way.

    A Python of its own asks for the signal and becomes the command: what runs between fork and exec in a process with
    threads can deadlock, so nothing does.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _TIE, str(os.getpid()), *command]


def end_group(leader: int) -> None:
    """SIGKILL a child's process group: the child, if it is still there, and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def record(path: Path, pids: Iterable[int]) -> None:
    """Write down who runs, for a successor to clean up."""
    alive = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            alive.append([pid, psutil.Process(pid).create_time()])
    path.write_text(json.dumps(alive))


def end_recorded(path: Path) -> int:
    """End what a predecessor left behind; return how many processes there were."""
    try:
        recorded = json.loads(path.read_text())
    except (OSError, ValueError):
        return 0
    ended = 0
    for pid, created in recorded:
        with contextlib.suppress(psutil.NoSuchProcess):
            if abs(psutil.Process(pid).create_time() - created) < 1.0:
                end_group(pid)
                ended += 1
    path.unlink(missing_ok=True)
    return ended
