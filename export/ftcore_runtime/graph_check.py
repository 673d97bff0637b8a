"""Looks into an ONNX file before onnxruntime does: known operators only, and no weights outside the file.

Reads the protobuf wire format (protobuf.dev/programming-guides/encoding) as far as that takes, since the ground
floor has no `onnx`. Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from ftcore_runtime.errors import BundleError

#: Operator domains, and the operators allowed in each; None: all of them.
DOMAINS: dict[str, frozenset[str] | None] = {
    "": None,  # ONNX itself: arithmetic on tensors, no files and no addresses
    "com.microsoft": frozenset({"GatherBlockQuantized", "MatMulIntegerToFloat", "MatMulNBits"}),
}

_DEEPEST = 16  # graphs within graphs (branches, loop bodies)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}

_Field: TypeAlias = tuple[int, memoryview | int]


def check_graph(data: bytes, where: str) -> None:
    """Refuse an ONNX model with operators outside `DOMAINS`, functions of its own, or external weights.

    Raises:
        BundleError: what it holds, or that it is no ONNX graph.
    """
    try:
        graphs = 0
        for number, value in _fields(memoryview(data)):
            if number == 7:  # graph
                graphs += 1
                _check_graph(_message(value), where, _DEEPEST)
            elif number == 8:  # opset_import
                domain = next((_text(text) for key, text in _fields(_message(value)) if key == 1), "")
                _check_domain(domain, where)
            elif number in (20, 25):  # training_info, functions
                raise BundleError("holds functions or training of its own", where=where)
    except ValueError as error:
        raise BundleError(f"is no ONNX graph: {error}", where=where) from None
    if graphs != 1:
        raise BundleError("is no ONNX graph", where=where)


def _check_graph(graph: memoryview, where: str, depth: int) -> None:
    if depth == 0:
        raise ValueError("graphs are nested too deeply")
    for number, value in _fields(graph):
        if number == 1:  # node
            _check_node(_message(value), where, depth)
        elif number == 5:  # initializer
            _check_tensor(_message(value), where)
        elif number == 15:  # sparse_initializer
            _check_sparse(_message(value), where)


def _check_node(node: memoryview, where: str, depth: int) -> None:
    operator = domain = ""
    for number, value in _fields(node):
        if number == 4:
            operator = _text(value)
        elif number == 7:
            domain = _text(value)
        elif number == 5:
            _check_attribute(_message(value), where, depth)
    allowed = _check_domain(domain, where)
    if allowed is not None and operator not in allowed:
        raise BundleError(
            f"holds the operator {f'{domain}.{operator}'!r:.80}, which is not allowed", where=where
        )


def _check_attribute(attribute: memoryview, where: str, depth: int) -> None:
    for number, value in _fields(attribute):
        if number in (5, 10):  # t, tensors
            _check_tensor(_message(value), where)
        elif number in (6, 11):  # g, graphs
            _check_graph(_message(value), where, depth - 1)
        elif number in (22, 23):  # sparse_tensor, sparse_tensors
            _check_sparse(_message(value), where)


def _check_sparse(sparse: memoryview, where: str) -> None:
    for number, value in _fields(sparse):
        if number in (1, 2):  # values, indices
            _check_tensor(_message(value), where)


def _check_tensor(tensor: memoryview, where: str) -> None:
    for number, value in _fields(tensor):
        if number == 13 or (number == 14 and value != 0):  # external_data, data_location
            raise BundleError("is no ONNX graph that holds its own weights", where=where)


def _check_domain(domain: str, where: str) -> frozenset[str] | None:
    """The operators allowed in `domain`, None for all."""
    if domain not in DOMAINS:
        raise BundleError(
            f"holds operators of the domain {domain!r:.60}, which is not known",
            where=where,
            hint="a bundle holds operators of ONNX, and a few of onnxruntime's own",
        )
    return DOMAINS[domain]


def _fields(message: memoryview) -> Iterator[_Field]:
    """Field numbers with their values: an integer, or the bytes (fixed-width numbers as bytes, too)."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("a field has no number")
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ValueError("a field is of no known type")
        if length > len(message) - position:
            raise ValueError("it is cut short")
        yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("it is cut short")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number is too long")


def _message(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where a message belongs")
    return value


def _text(value: memoryview | int) -> str:
    return str(_message(value), "utf-8")
