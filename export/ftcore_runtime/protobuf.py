"""Reads protobuf messages strictly: one encoding of each value, so that every parser reads the same.

The wire format (protobuf.dev/programming-guides/encoding) leaves much to the parser: long forms of numbers, tags of
more than 32 bits, fields that it does not know, singular fields that come twice and are merged, groups. What one parser
skips, another reads. Here all of that is an error, and a message is exactly what its schema says. The bytes are not
copied: what has a length is a view.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class Kind(enum.Enum):
    """What a field holds; `wire` is its wire type."""

    INT32 = (_VARINT, "int32")  # 0 to 2**31 - 1: nothing in a model's structure is negative
    INT64 = (_VARINT, "int64")
    FIXED32 = (_FIXED32, "fixed32")
    FIXED64 = (_FIXED64, "fixed64")
    TEXT = (_LENGTH, "text")
    BYTES = (_LENGTH, "bytes")
    MESSAGE = (_LENGTH, "message")

    def __init__(self, wire: int, _name: str) -> None:
        self.wire = wire


@dataclass(frozen=True)
class Field:
    """One field of a schema.

    Args:
        kind: of its values.
        many: whether it may come more than once; numbers may then be packed, and their bytes are left as they are.
        schema: of a message.
        refused: why no message may have this field; None where it may.
    """

    kind: Kind
    many: bool = False
    schema: Schema | None = None
    refused: str | None = None


#: Field number -> field.
Schema: TypeAlias = Mapping[int, Field]
#: Field number -> its values in order: int, str, memoryview or another message.
Message: TypeAlias = dict[int, list[Any]]


class Refused(ValueError):
    """A field that no message may have; says why."""


def parse(data: memoryview, schema: Schema) -> Message:
    """Read a message of this schema.

    Raises:
        Refused: it holds a field that the schema refuses.
        ValueError: it is no such message, or is encoded in another way than the one that everybody reads alike.
    """
    found: Message = {}
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        if tag >= 2**32:
            raise ValueError("a field's number has more than 32 bits")
        number, wire = tag >> 3, tag & 7
        field = schema.get(number)
        if field is None:
            raise ValueError(f"it has a field of number {number}, which is not known")
        if field.refused is not None:
            raise Refused(field.refused)
        if number in found and not field.many:
            raise ValueError(f"field {number} comes twice")
        value: Any
        if wire == _VARINT:
            value, position = _varint(data, position)
        else:
            size, position = _size(data, position, wire)
            value = data[position : position + size]
            position += size
        found.setdefault(number, []).append(_checked(value, wire, number, field))
    return found


def _size(data: memoryview, position: int, wire: int) -> tuple[int, int]:
    """Bytes of the value that begins at `position`, or behind its length, and where it begins."""
    if wire == _LENGTH:
        size, position = _varint(data, position)
    elif wire in (_FIXED32, _FIXED64):
        size = 4 if wire == _FIXED32 else 8
    else:
        raise ValueError("it holds a group, or a type that is not known")
    if size > len(data) - position:
        raise ValueError("it is cut short")
    return size, position


def _checked(value: Any, wire: int, number: int, field: Field) -> Any:  # noqa: ANN401 (see `Message`)
    kind = field.kind
    if wire != kind.wire:
        if wire == _LENGTH and field.many:
            return value  # numbers, packed
        raise ValueError(f"field {number} is of another type")
    if kind is Kind.INT32 and value >= 2**31:
        raise ValueError(f"field {number} is out of range")
    if kind is Kind.TEXT:
        return str(value, "utf-8")
    if kind is Kind.MESSAGE:
        assert field.schema is not None
        return parse(value, field.schema)
    return value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """A number of at most 64 bits in its shortest form, and where the next value begins."""
    if position < len(data) and data[position] < 0x80:  # nearly all of them have one byte
        return data[position], position + 1
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("it is cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if (byte == 0 and shift) or value >= 2**64:
                break
            return value, position
    raise ValueError("a number is not in its shortest form")
