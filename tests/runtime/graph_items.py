"""ONNX graphs as fields of protobuf that may be written in ways in which no library writes them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

VARINT, LENGTH, GROUP, END, FIXED32 = 0, 2, 3, 4, 5


@dataclass
class Item:
    """One field as it is to be written.

    Args:
        value: a number, bytes, or the fields of a message.
        above: bits of the tag above the 32 that it may have.
        longer: bytes that tag and number (or length) have too many.
    """

    number: int
    value: int | bytes | list[Item]
    wire: int = LENGTH
    above: int = 0
    longer: tuple[int, int] = (0, 0)

    def encode(self) -> bytes:
        tag = varint(self.number << 3 | self.wire | self.above << 32, self.longer[0])
        if isinstance(self.value, int):
            return tag + varint(self.value % 2**64, self.longer[1])
        body = encode(self.value) if isinstance(self.value, list) else self.value
        if self.wire == LENGTH:
            return tag + varint(len(body), self.longer[1]) + body
        end = varint(self.number << 3 | END) if self.wire == GROUP else b""
        return tag + body + end


def encode(items: list[Item]) -> bytes:
    return b"".join(item.encode() for item in items)


def varint(number: int, longer: int = 0) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    for _ in range(longer):
        made[-1] |= 0x80
        made.append(0)
    return bytes(made)


def text(number: int, value: str) -> Item:
    return Item(number, value.encode())


def integer(number: int, value: int) -> Item:
    return Item(number, value, VARINT)


def tensor(name: str, dims: list[int], values: list[float]) -> list[Item]:
    data = struct.pack(f"<{len(values)}f", *values)
    return [*(integer(1, size) for size in dims), integer(2, 1), text(8, name), Item(9, data)]


def node(operator: str, reads: list[str], writes: list[str], *attributes: Item, domain: str = "") -> Item:
    named = [text(7, domain)] if domain else []
    names = [*(text(1, name) for name in reads), *(text(2, name) for name in writes)]
    return Item(1, [*names, text(4, operator), *attributes, *named])


def value(number: int, name: str, dims: list[int]) -> Item:
    shape = [Item(1, [integer(1, size)]) for size in dims]
    return Item(number, [text(1, name), Item(2, [Item(1, [integer(1, 1), Item(2, shape)])])])


def base() -> list[Item]:
    """A small graph with the parts that a bundle's graphs have."""
    constant = Item(5, [text(1, "value"), Item(5, tensor("", [2, 2], [1, 2, 3, 4])), integer(20, 4)])
    permutation = Item(5, [text(1, "perm"), integer(8, 1), integer(8, 0), integer(20, 7)])
    graph = [
        node("Constant", [], ["c"], constant),
        node("MatMul", ["x", "w"], ["m"]),
        node("Add", ["m", "c"], ["a"]),
        node("Transpose", ["a"], ["t"], permutation),
        node("Relu", ["t"], ["y"]),
        text(2, "graph"),
        Item(5, tensor("w", [2, 2], [1, 0, 0, 1])),
        value(11, "x", [2, 2]),
        value(12, "y", [2, 2]),
        value(13, "m", [2, 2]),
    ]
    return [integer(1, 10), text(2, "fuzz"), Item(7, graph), Item(8, [text(1, ""), integer(2, 21)])]
