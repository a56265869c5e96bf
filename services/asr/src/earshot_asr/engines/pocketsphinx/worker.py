"""A decoding process: reads frames from standard input, decodes, writes frames to standard output.

Started by `process`; ends when its input ends, so that none outlives its service, however that ended.
"""

from __future__ import annotations

from importlib.metadata import version

from earshot_asr.engines.pocketsphinx.hearing import Hearing
from earshot_asr.engines.workers.frames import Kind, encode
from earshot_asr.engines.workers.serving import output, serve, write


def main() -> None:
    """Serve until the input ends."""
    sink = output()
    hearing = Hearing()
    write(sink, encode(Kind.READY, 0, {"revision": version("pocketsphinx")}))
    serve(hearing, sink)


if __name__ == "__main__":
    main()
