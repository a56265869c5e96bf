"""Streaming recognition with an open vocabulary on sherpa-onnx: a transducer that the operator installs.

    service                                  decoding process
    engine ── pool ── WorkerProcess ──pipe──► worker ► hearing ► recogniser (sherpa-onnx, the only module that knows it)
    stream ──frames──► FEED … FINISH          every stream that has a chunk of audio goes through the network together
           ◄── INTERIM, FINAL

`discovery` finds a model's files and says which one is missing; `metadata` reads what they say about themselves without
loading them. The library ends its whole process on a file that it can't use, which is why it is in no service.
"""
