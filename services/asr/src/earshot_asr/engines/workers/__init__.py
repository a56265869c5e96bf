"""Decoding in processes of their own, whichever engine runs there: the frames, the service's end, and the pool.

A decoder keeps a core busy, may hold the interpreter's lock for seconds, and may end its whole process on a bad file. In
a process beside the service it does none of this to other utterances.
"""
