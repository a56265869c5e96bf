"""One stack a state folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from earshot_local.errors import AlreadyRunningError


class FolderLock:
    """Held for a stack's life; the kernel releases it when the process dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: IO[str] | None = None

    def acquire(self) -> None:
        """Take it.

        Raises:
            AlreadyRunningError: Another process has it.
        """
        handle = self._path.open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            handle.close()
            raise AlreadyRunningError(
                f"a stack is running from {self._path.parent} already (process {holder}): use it, stop it with "
                "Ctrl-C where it runs, or set EARSHOT_HOME to another folder",
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        self._handle = handle

    def release(self) -> None:
        """Give it back."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None
