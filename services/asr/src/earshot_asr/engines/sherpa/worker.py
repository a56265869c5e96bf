"""A decoding process: loads a model, reads frames from standard input, decodes, writes frames to standard output.

Started by the pool with a `RecogniserOrder` as its argument; ends when its input ends.
"""

from __future__ import annotations

import sys
from importlib.metadata import version

from earshot_asr.engines.sherpa.hearing import Hearing
from earshot_asr.engines.sherpa.orders import RecogniserOrder
from earshot_asr.engines.sherpa.recogniser import Recogniser
from earshot_asr.engines.workers.frames import Kind, encode
from earshot_asr.engines.workers.serving import output, serve, write


def main() -> None:
    """Serve until the input ends."""
    sink = output()
    order = RecogniserOrder.from_argument(sys.argv[1])
    try:
        hearing = Hearing(Recogniser(order))
    except (RuntimeError, ValueError, ImportError) as error:
        write(sink, encode(Kind.REFUSED, 0, {"reason": " ".join(str(error).split())}))
        return
    write(sink, encode(Kind.READY, 0, {"revision": version("sherpa-onnx")}))
    serve(hearing, sink)


if __name__ == "__main__":
    main()
