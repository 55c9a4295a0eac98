"""Networks as ONNX models, written as bytes: the few messages of onnx.proto3 that it takes, field by field.

Field numbers and wire types are those of github.com/onnx/onnx, onnx/onnx.proto3, and of protobuf's encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OPSET, MICROSOFT, MICROSOFTS = 17, "com.microsoft", 1  # operators, and those that only ONNX Runtime has
IR_VERSION = 8  # of the layout, as opset 17 came with it
_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_AS_FLOAT, _AS_INT, _AS_INTS = 1, 2, 7  # AttributeProto.AttributeType

Value = str  # the name of what flows from one operator to the next


class Writer:
    """A network, operator by operator; each gives the name of its result."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def constant(self, array: NDArray[np.float32] | NDArray[np.int64]) -> Value:
        """Numbers that are known."""
        name = f"constant{len(self._constants)}"
        kind = _INT64 if array.dtype == np.int64 else _FLOAT
        numbers = np.ascontiguousarray(array, "<i8" if kind == _INT64 else "<f4").tobytes()
        shape = b"".join(_number(1, size) for size in array.shape)
        self._constants.append(_bytes(5, shape + _number(2, kind) + _text(8, name) + _bytes(9, numbers)))
        return name

    def whole(self, *numbers: int) -> Value:
        """Whole numbers that are known."""
        return self.constant(np.array(numbers, np.int64))

    def op(self, kind: str, *inputs: Value, domain: str = "", **attributes: int | float | Sequence[int]) -> Value:
        """An operator of this kind applied to these inputs."""
        name = f"{kind.lower()}{len(self._nodes)}"
        parts = [*(_text(1, value) for value in inputs), _text(2, name), _text(4, kind)]
        parts += [_bytes(5, _attribute(key, value)) for key, value in attributes.items()]
        self._nodes.append(_bytes(1, b"".join(parts) + _text(7, domain)))
        return name

    def model(self, given: Value, result: Value, widths: tuple[int, int]) -> bytes:
        """The whole network, from `given` (frames, widths[0]) to `result` (frames, widths[1])."""
        ends = _bytes(11, _table(given, widths[0])) + _bytes(12, _table(result, widths[1]))
        graph = [*self._nodes, _text(2, "network"), *self._constants, ends]
        opsets = _bytes(8, _text(1, "") + _number(2, OPSET)) + _bytes(8, _text(1, MICROSOFT) + _number(2, MICROSOFTS))
        head = _number(1, IR_VERSION) + opsets + _header(7, sum(map(len, graph)))
        return b"".join([head, *graph])  # joined once: the constants are large


def _table(name: str, width: int) -> bytes:
    """ValueInfoProto of float32 (frames, width)."""
    shape = _bytes(1, _text(2, "frames")) + _bytes(1, _number(1, width))
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, _FLOAT) + _bytes(2, shape)))


def _attribute(name: str, value: int | float | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _AS_INT)
    if isinstance(value, float):
        return _text(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, _AS_FLOAT)
    return _text(1, name) + b"".join(_number(8, one) for one in value) + _number(20, _AS_INTS)


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _bytes(field: int, data: bytes) -> bytes:
    return _header(field, len(data)) + data


def _header(field: int, length: int) -> bytes:
    return _varint(field << 3 | 2) + _varint(length)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number % 2**64)  # negative ones as two's complement


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
