"""A matrix and its transpose are stored once: what exporters make two of where output and input embedding are tied."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import onnx
from onnx import TensorProto, helper, numpy_helper

_SMALLEST = 1024  # elements: below it nothing is gained


def share_transposes(graph: onnx.GraphProto) -> None:
    """Replace each float matrix that is another one's transpose by a `Transpose` of that one, in place.

    Of the two the one that is looked up in stays, since its rows are read one by one. onnxruntime folds the operator
    away when it loads the graph.
    """
    looked_up = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    by_content = {_digest(tensor, transposed=False): tensor.name for tensor in _matrices(graph)}
    dropped: list[str] = []
    for tensor in sorted(_matrices(graph), key=lambda tensor: tensor.name in looked_up):
        original = by_content.get(_digest(tensor, transposed=True))
        if original is None or original == tensor.name or original in dropped:
            continue
        node = helper.make_node(
            "Transpose", [original], [tensor.name], name=f"{tensor.name}_shared", perm=[1, 0]
        )
        graph.node.insert(0, node)
        dropped.append(tensor.name)
    kept = [tensor for tensor in graph.initializer if tensor.name not in dropped]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _matrices(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    for tensor in graph.initializer:
        if len(tensor.dims) == 2 and tensor.data_type == TensorProto.FLOAT:
            rows, columns = tensor.dims
            if rows * columns >= _SMALLEST:
                yield tensor


def _digest(tensor: TensorProto, *, transposed: bool) -> tuple[bytes, tuple[int, ...]]:
    array = numpy_helper.to_array(tensor)
    array = array.T if transposed else array
    return hashlib.sha256(array.tobytes()).digest(), array.shape
