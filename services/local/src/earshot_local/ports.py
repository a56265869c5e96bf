"""Loopback ports: the wanted one where it is free, any other where it is not.

A port is only looked at, not held: whoever it is for binds it a second later. So those that are handed out lie below the
range from which the kernel takes ports for outgoing connections, and each process begins at a place of its own: two
stacks that start at the same time don't meet.
"""

from __future__ import annotations

import itertools
import os
import socket

HOST = "127.0.0.1"
_LOWEST, _COUNT = 15_000, 16_000
# More than a stack of every service three times needs.
_BLOCK = 128


class Ports:
    """Hands out ports, none twice in a process."""

    _places = itertools.count()

    def take(self, preferred: int = 0) -> int:
        """Return the preferred port if it is free, else any free one; 0 prefers none.

        Raises:
            OSError: There is no free one.
        """
        if preferred and _bindable(preferred):
            return preferred
        for place in itertools.islice(Ports._places, _COUNT):
            port = _LOWEST + (os.getpid() * _BLOCK + place) % _COUNT
            if _bindable(port):
                return port
        raise OSError("no free port on the loopback address")


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
