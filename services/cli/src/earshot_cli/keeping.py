"""What a device of the command line remembers, in the state folder, and who may be that device at the moment."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from earshot_cli.errors import DeviceInUseError


@contextmanager
def kept_state(root: Path, household: str, device: str) -> Iterator[Path]:
    """Yield a device's state file, which nobody else may use meanwhile.

    Raises:
        DeviceInUseError: Another process is this device.
    """
    folder = root / "devices" / household
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{device}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another terminal is the device {device!r}: speak there, or be another one with --device"
            raise DeviceInUseError(message) from error
        yield folder / f"{device}.json"
