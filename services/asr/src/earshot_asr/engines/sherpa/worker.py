"""A decoding process: loads a model, reads frames from standard input, decodes, writes frames to standard output.

Started by the pool with a `RecogniserOrder` as its argument; ends when its input ends.
"""

from __future__ import annotations

import os
import select
import sys
from importlib.metadata import version
from typing import Final

from earshot_asr.engines.sherpa.hearing import Hearing
from earshot_asr.engines.sherpa.orders import RecogniserOrder
from earshot_asr.engines.sherpa.recogniser import Recogniser
from earshot_asr.engines.workers.frames import Kind, Reader, encode

_CHUNK: Final = 1 << 16


def main() -> None:
    """Serve until the input ends."""
    # What a library prints must not end up among the frames.
    output = os.dup(1)
    os.dup2(2, 1)
    order = RecogniserOrder.from_argument(sys.argv[1])
    try:
        hearing = Hearing(Recogniser(order))
    except (RuntimeError, ValueError, ImportError) as error:
        _write(output, encode(Kind.REFUSED, 0, {"reason": " ".join(str(error).split())}))
        return
    _write(output, encode(Kind.READY, 0, {"revision": version("sherpa-onnx")}))
    serve(hearing, sys.stdin.fileno(), output)


def serve(hearing: Hearing, source: int, sink: int) -> None:
    """Serve frames from one file descriptor to another."""
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
                    _write(sink, answer)
        done = hearing.step()
        busy = done is not None
        for answer in done or ():
            _write(sink, answer)


def _write(sink: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sink, view) :]


if __name__ == "__main__":
    main()
