"""Writes ONNX files with plain code, so that a test can make a network of its own without the onnx package.

Only what small networks need: float and int64 tensors, integer attributes, and the model's own properties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FLOAT, INT64 = 1, 7
_IR_VERSION, _OPSET = 8, 13
_INT, _INTS = 2, 7
Dimension = int | str
Shape = tuple[Dimension, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation: "Add", names of what goes in and comes out, integer attributes."""

    op: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A graph; inputs and outputs are name → (element type, shape), in the order that callers pass them."""

    inputs: Mapping[str, tuple[int, Shape]]
    outputs: Mapping[str, tuple[int, Shape]]
    nodes: Sequence[Node]
    constants: Mapping[str, NDArray[np.float32] | NDArray[np.int64]] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the file."""
        graph = b"".join(
            (
                *(_bytes(1, _node(node)) for node in self.nodes),
                _text(2, "graph"),
                *(_bytes(5, _tensor(name, values)) for name, values in self.constants.items()),
                *(_bytes(11, _value(name, *kind)) for name, kind in self.inputs.items()),
                *(_bytes(12, _value(name, *kind)) for name, kind in self.outputs.items()),
            )
        )
        opset = _text(1, "") + _number(2, _OPSET)
        properties = (_bytes(14, _text(1, key) + _text(2, value)) for key, value in self.properties.items())
        path.write_bytes(_number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, opset) + b"".join(properties))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _bytes(tag: int, data: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(data)) + data


def _text(tag: int, text: str) -> bytes:
    return _bytes(tag, text.encode())


def _node(node: Node) -> bytes:
    parts = [_text(1, name) for name in node.inputs] + [_text(2, name) for name in node.outputs] + [_text(4, node.op)]
    for name, value in node.attributes.items():
        numbers = value if isinstance(value, tuple) else ()
        body = b"".join(_number(8, number) for number in numbers) if numbers else _number(3, int(value))  # type: ignore[arg-type]
        parts.append(_bytes(5, _text(1, name) + body + _number(20, _INTS if numbers else _INT)))
    return b"".join(parts)


def _tensor(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
    dimensions = b"".join(_number(1, size) for size in values.shape)
    kind = INT64 if values.dtype == np.int64 else FLOAT
    return dimensions + _number(2, kind) + _text(8, name) + _bytes(9, values.tobytes())


def _value(name: str, kind: int, shape: Shape) -> bytes:
    sizes = b"".join(_bytes(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, sizes)))
