"""Looks into an ONNX file before onnxruntime does: known operators only, no loops, no weights outside the file.

The runtime has no `onnx`, so the schema of onnx.proto is written down here as far as bundles need it; whatever else a
file holds is refused. `protobuf.parse` takes only what every parser reads alike, so what is checked here is what
onnxruntime loads.
"""

from __future__ import annotations

from ftcore_runtime.errors import BundleError
from ftcore_runtime.protobuf import Field, Kind, Message, Refused, Schema, parse

#: Operator domains, and the operators allowed in each; None: all of them.
DOMAINS: dict[str, frozenset[str] | None] = {
    "": None,  # ONNX itself: arithmetic on tensors, no files and no addresses
    "com.microsoft": frozenset({"GatherBlockQuantized", "MatMulIntegerToFloat", "MatMulNBits"}),
}
#: Operators of ONNX that run a graph within the graph: as often as they like. No family of tasks needs them.
CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})

_INT32, _INT64 = Field(Kind.INT32), Field(Kind.INT64)
_TEXT, _TEXTS = Field(Kind.TEXT), Field(Kind.TEXT, many=True)
_BYTES, _BYTESTRINGS = Field(Kind.BYTES), Field(Kind.BYTES, many=True)
_INTEGERS, _FLOATS = Field(Kind.INT64, many=True), Field(Kind.FIXED32, many=True)


def _one(schema: Schema) -> Field:
    return Field(Kind.MESSAGE, schema=schema)


def _many(schema: Schema) -> Field:
    return Field(Kind.MESSAGE, many=True, schema=schema)


def _refuse(why: str) -> Field:
    return Field(Kind.BYTES, refused=why)


_OUTSIDE = _refuse("does not hold its own weights")
_INNER = _refuse(f"holds a graph within the graph ({', '.join(sorted(CONTROL_FLOW))}), which may never end")
_FUNCTIONS = _refuse("holds functions or training of its own")

_ENTRIES = _many({1: _TEXT, 2: _TEXT})  # StringStringEntryProto
_TENSOR: Schema = {
    1: _INTEGERS,
    2: _INT32,
    4: _FLOATS,
    5: _INTEGERS,
    6: _BYTESTRINGS,
    7: _INTEGERS,
    8: _TEXT,
    9: _BYTES,
    10: Field(Kind.FIXED64, many=True),
    11: _INTEGERS,
    12: _TEXT,
    13: _OUTSIDE,
    14: _INT32,
    16: _ENTRIES,
}
_SHAPE: Schema = {1: _many({1: _INT64, 2: _TEXT, 3: _TEXT})}
_TYPE: Schema = {
    1: _one({1: _INT32, 2: _one(_SHAPE)}),
    6: _TEXT,
}  # a tensor's; sequences and maps have no use
_VALUE: Schema = {1: _TEXT, 2: _one(_TYPE), 3: _TEXT, 4: _ENTRIES}
_ATTRIBUTE: Schema = {
    1: _TEXT,
    2: Field(Kind.FIXED32),
    3: _INT64,
    4: _BYTES,
    5: _one(_TENSOR),
    6: _INNER,
    7: _FLOATS,
    8: _INTEGERS,
    9: _BYTESTRINGS,
    10: _many(_TENSOR),
    11: _INNER,
    13: _TEXT,
    20: _INT32,
}
_NODE: Schema = {
    1: _TEXTS,
    2: _TEXTS,
    3: _TEXT,
    4: _TEXT,
    5: _many(_ATTRIBUTE),
    6: _TEXT,
    7: _TEXT,
    9: _ENTRIES,
}
_GRAPH: Schema = {
    1: _many(_NODE),
    2: _TEXT,
    5: _many(_TENSOR),
    10: _TEXT,
    11: _many(_VALUE),
    12: _many(_VALUE),
    13: _many(_VALUE),
    16: _ENTRIES,
}
_MODEL: Schema = {
    1: _INT64,
    2: _TEXT,
    3: _TEXT,
    4: _TEXT,
    5: _INT64,
    6: _TEXT,
    7: _one(_GRAPH),
    8: _many({1: _TEXT, 2: _INT64}),
    14: _ENTRIES,
    20: _FUNCTIONS,
    25: _FUNCTIONS,
}


def check_graph(data: bytes, where: str) -> None:
    """Refuse an ONNX model with operators outside `DOMAINS`, graphs within it, functions, or external weights.

    Raises:
        BundleError: what it holds, or that it is no ONNX graph.
    """
    domains, operators = read_graph(data, where)
    for domain in (*domains, *(domain for domain, _ in operators)):
        if domain not in DOMAINS:
            raise BundleError(
                f"holds operators of the domain {domain!r:.60}, which is not known",
                where=where,
                hint="a bundle holds operators of ONNX, and a few of onnxruntime's own",
            )
    for domain, name in operators:
        allowed = DOMAINS[domain]
        if (not domain and name in CONTROL_FLOW) or (allowed is not None and name not in allowed):
            shown = f"{domain}.{name}" if domain else name
            raise BundleError(f"holds the operator {shown!r:.80}, which is not allowed", where=where)


def read_graph(data: bytes, where: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Parse an ONNX model that holds all that it needs.

    Returns:
        the domains that it imports, and domain and name of each operator, in their order.

    Raises:
        BundleError: it has functions, graphs within the graph or external weights, or is no ONNX graph.
    """
    if data[4:8] == b"ORTM":  # onnxruntime's own format, for which it looks first
        raise BundleError("is no ONNX graph: it is marked as onnxruntime's own format", where=where)
    try:
        model = parse(memoryview(data), _MODEL)
        if 7 not in model:
            raise ValueError("it has none")
        operators = [_operator(node) for node in model[7][0].get(1, [])]
        for tensor in model[7][0].get(5, []):
            _require_inside(tensor)
    except Refused as error:
        raise BundleError(str(error), where=where) from None
    except ValueError as error:  # of UTF-8, too
        raise BundleError(f"is no ONNX graph: {error}", where=where) from None
    return [_single(opset, 1) for opset in model.get(8, [])], operators


def _operator(node: Message) -> tuple[str, str]:
    for attribute in node.get(5, []):
        for tensor in (*attribute.get(5, []), *attribute.get(10, [])):
            _require_inside(tensor)
    return _single(node, 7), _single(node, 4)


def _require_inside(tensor: Message) -> None:
    """Field 14 says where the data lies: 0 is within the file."""
    if tensor.get(14, [0])[0] != 0:
        raise Refused(_OUTSIDE.refused)


def _single(message: Message, number: int) -> str:
    """A text that need not be there."""
    text: str = message.get(number, [""])[0]
    return text
