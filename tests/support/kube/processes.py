"""Processes that tests start: forked from one server that has imported everything already, or of any command.

Nothing heavy is imported here: whoever is forked imports what its function stands in.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Callable, Mapping
from typing import Protocol

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "earshot_operator.composition",
        "earshot_skillkit",
        "uvloop",
        "nkeys",
        "nats.js",
        "grpc_reflection.v1alpha.reflection",
    ]
)


class Process(Protocol):
    """What runs in a pod."""

    def alive(self) -> bool:
        """Tell whether it runs."""

    def terminate(self) -> None:
        """SIGTERM."""

    def kill(self) -> None:
        """SIGKILL and wait."""


Start = Callable[[Mapping[str, str]], Process]


class Forked:
    """A process of this Python."""

    def __init__(self, function: object, *arguments: object) -> None:
        self._process = _FORKS.Process(target=function, args=arguments, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its id."""
        return int(self._process.pid or 0)

    def alive(self) -> bool:
        """Tell whether it runs."""
        return self._process.is_alive()

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL and wait."""
        self._process.kill()
        self._process.join()


class Started:
    """A process of any command."""

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        # Of its own environment alone, as in a container.
        self._process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL)

    def alive(self) -> bool:
        """Tell whether it runs."""
        return self._process.poll() is None

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL and wait."""
        self._process.kill()
        self._process.wait()


def settle(environment: Mapping[str, str], log: str = "") -> None:
    """Begin a forked process: its environment is this one, and what it says goes to a file or nowhere."""
    os.environ.clear()
    os.environ.update(environment)
    target = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
