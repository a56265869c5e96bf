"""The decoding process's end: frames in, work, frames out, until the input ends; so none outlives its service."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterable
from typing import Final, Protocol

from earshot_asr.engines.workers.frames import Frame, Reader

_CHUNK: Final = 1 << 16


class Hearing(Protocol):
    """The utterances of a process."""

    def take(self, frame: Frame) -> Iterable[bytes]:
        """Take a frame; return those that answer it."""
        ...

    def step(self) -> Iterable[bytes] | None:
        """Do one piece of work; return frames to send, None if there is nothing to do."""
        ...


def output() -> int:
    """Return a file descriptor for frames; what a library prints goes to standard error from now on."""
    sink = os.dup(1)
    os.dup2(2, 1)
    return sink


def serve(hearing: Hearing, sink: int) -> None:
    """Serve frames from standard input until it ends."""
    source = sys.stdin.fileno()
    reader = Reader()
    busy = False
    while True:
        # With work at hand only what has arrived is read; otherwise this waits.
        readable, _, _ = select.select([source], [], [], 0 if busy else None)
        if readable:
            data = os.read(source, _CHUNK)
            if not data:
                return
            for frame in reader.push(data):
                for answer in hearing.take(frame):
                    write(sink, answer)
        done = hearing.step()
        busy = done is not None
        for answer in done or ():
            write(sink, answer)


def write(sink: int, data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(sink, view) :]
