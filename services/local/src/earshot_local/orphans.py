"""Processes never outlive their supervisor: three nets under one another.

1. A supervisor that ends in order stops its children.
2. On Linux, a child is told by the kernel (PR_SET_PDEATHSIG) when its supervisor dies, whatever the reason.
3. A supervisor that starts ends what the last one from the same folder left behind; a process is known by its id and
   its start time together, so that a reused id is never hit.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1


def follow_parent() -> Callable[[], None] | None:
    """Return what a child runs between fork and exec to be terminated with its parent; None where there is no way."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before the request was made

    return prepare


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
