"""What an ONNX file says about itself, read without loading its network: a few kilobytes at its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_METADATA_FIELD: Final = 14
_KEY_FIELD: Final = 1
_VALUE_FIELD: Final = 2
_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_POINTER: Final = b"version https://git-lfs"


class NotOnnxError(ValueError):
    """A file that is no whole ONNX model; the message says what it is instead."""


def read_metadata(path: Path) -> dict[str, str]:
    """Return a model's own properties.

    Raises:
        NotOnnxError: It is something else, or ends early.
        OSError: It can't be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(len(_POINTER)) == _POINTER:
            raise NotOnnxError("is a Git LFS pointer, not the file itself: fetch it with git lfs pull")
        file.seek(0)
        try:
            properties = dict(_property(file.read(length)) for length in _properties(file, size))
        except (IndexError, KeyError, UnicodeDecodeError) as error:
            raise NotOnnxError("is no ONNX model") from error
    return properties


def _properties(file: BinaryIO, size: int) -> Iterator[int]:
    """Stand at each property in turn and yield its length; whoever iterates reads it."""
    if not size:
        raise NotOnnxError("is empty")
    while file.tell() < size:
        field, kind = divmod(_varint(file), 8)
        if not 0 < field < 64:
            raise NotOnnxError("is no ONNX model")
        if kind == _VARINT:
            _varint(file)
            continue
        length = {_FIXED64: 8, _FIXED32: 4}[kind] if kind != _BYTES else _varint(file)
        if file.tell() + length > size:
            raise NotOnnxError("is damaged or ends early")
        if field == _METADATA_FIELD and kind == _BYTES:
            yield length
        else:
            file.seek(length, os.SEEK_CUR)


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while True:
        byte = file.read(1)[0]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value


def _property(data: bytes) -> tuple[str, str]:
    parts = {_KEY_FIELD: "", _VALUE_FIELD: ""}
    position = 0
    while position < len(data):
        field = data[position] >> 3
        length, position = _length(data, position + 1)
        parts[field] = data[position : position + length].decode()
        position += length
    return parts[_KEY_FIELD], parts[_VALUE_FIELD]


def _length(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
