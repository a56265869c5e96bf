"""What a service and its decoding process say to each other over a pipe.

    service ──► worker   LOAD bundle · OPEN stream · FOLLOW stream · FEED stream, PCM … · PAUSE · RESUME · FINISH stream · CLOSE stream
    worker ──► service   READY | REFUSED · LOADED bundle | FAILED bundle · INTERIM stream … · FINAL stream | BROKEN stream

A frame is a header (kind, stream, length of the body) and a body: PCM for FEED, JSON for the rest. Streams are
numbers chosen by the service. A worker ends when its standard input does.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final, NamedTuple

_HEADER: Final = struct.Struct("<BII")
HEADER_BYTES: Final = _HEADER.size


class Kind(IntEnum):
    """What a frame means; its body in brackets."""

    LOAD = 1
    """[the engine's own, with "key"] Make what streams of this key need."""
    UNLOAD = 2
    """[{"key"}] No new stream will use the bundle."""
    OPEN = 3
    """[{"key"}] Begin a stream."""
    FEED = 4
    """[PCM]"""
    PAUSE = 5
    """Speech seems to be over: prepare the final result."""
    RESUME = 6
    """It was not."""
    FINISH = 7
    """Give the final result."""
    CLOSE = 8
    """Forget the stream."""
    FOLLOW = 9
    """Somebody waits for interim results."""
    READY = 20
    """[{"revision"}] The process is up."""
    LOADED = 21
    """[{"key"}]"""
    FAILED = 22
    """[{"key", "reason"}] The bundle can not be used."""
    INTERIM = 23
    """[{"words", "offset"}, and the engine's own]"""
    FINAL = 24
    """[the engine's own] What was heard."""
    BROKEN = 25
    """[{"reason"}] The decoder can not go on with the stream."""
    REFUSED = 26
    """[{"reason"}] Instead of READY: no such process can ever serve; this one ends."""


class Frame(NamedTuple):
    """One message."""

    kind: Kind
    stream: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body of a frame that has JSON."""
        loaded: dict[str, Any] = json.loads(self.body) if self.body else {}
        return loaded


def encode(kind: Kind, stream: int = 0, body: bytes | dict[str, Any] = b"") -> bytes:
    """Return a frame as bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return _HEADER.pack(kind, stream, len(data)) + data


def decode_header(header: bytes) -> tuple[Kind, int, int]:
    """Return kind, stream and body length of a header of `HEADER_BYTES`."""
    kind, stream, length = _HEADER.unpack(header)
    return Kind(kind), stream, length


class Reader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def push(self, data: bytes) -> Iterator[Frame]:
        """Take bytes and yield the frames that are complete now."""
        self._buffer += data
        while len(self._buffer) >= HEADER_BYTES:
            kind, stream, length = decode_header(bytes(self._buffer[:HEADER_BYTES]))
            end = HEADER_BYTES + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEADER_BYTES:end])
            del self._buffer[:end]
            yield Frame(kind, stream, body)
