"""Loopback ports: the wanted one where it is free, any other where it is not."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


class Ports:
    """Hands out ports, none twice.

    A port is only reserved in this process: between handing it out and its use, a stranger may take it. Whoever binds
    it then fails at start, which the supervisor sees and answers with another one where it can.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()

    def take(self, preferred: int = 0) -> int:
        """Return the preferred port if it is free, else any free one; 0 prefers none."""
        for wanted in (preferred, *([0] * 50)):
            port = _bindable(wanted)
            if port is not None and port not in self._given:
                self._given.add(port)
                return port
        raise OSError("no free port on the loopback address")


def _bindable(port: int) -> int | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
