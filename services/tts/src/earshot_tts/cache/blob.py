"""A sentence's frames as one object: magic, count, lengths, payloads, checksum of all that."""

from __future__ import annotations

import struct
import zlib

Frames = tuple[bytes, ...]
"""Payloads of the wire frames of one sentence, in order."""

_MAGIC = b"ESF1"
_HEAD = struct.Struct("<4sI")
_CHECKSUM = struct.Struct("<I")


class CorruptBlobError(ValueError):
    """The bytes are not a sentence's frames."""


def pack(frames: Frames) -> bytes:
    """Return frames as bytes."""
    lengths = struct.pack(f"<{len(frames)}I", *map(len, frames))
    body = b"".join((_HEAD.pack(_MAGIC, len(frames)), lengths, *frames))
    return body + _CHECKSUM.pack(zlib.crc32(body))


def unpack(blob: bytes) -> Frames:
    """Return the frames that were packed.

    Raises:
        CorruptBlobError: The bytes were cut, changed, or are something else.
    """
    if len(blob) < _HEAD.size + _CHECKSUM.size:
        raise CorruptBlobError("too short")
    body = memoryview(blob)[: -_CHECKSUM.size]
    magic, count = _HEAD.unpack_from(body)
    if magic != _MAGIC or zlib.crc32(body) != _CHECKSUM.unpack_from(blob, len(body))[0]:
        raise CorruptBlobError("checksum or magic does not fit")
    lengths = struct.unpack_from(f"<{count}I", body, _HEAD.size)
    frames = []
    start = _HEAD.size + 4 * count
    for length in lengths:
        frames.append(bytes(body[start : start + length]))
        start += length
    return tuple(frames)
