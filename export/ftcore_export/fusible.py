"""Rewrites what exporters write into the forms that onnxruntime's fusions look for."""

from __future__ import annotations

from collections import Counter

import onnx


def divide_by_roots(graph: onnx.GraphProto) -> None:
    """Replace `x * Reciprocal(y)` by `x / y`, in place, where nothing else reads the reciprocal.

    That is how torch's `rsqrt` is exported, and so the normalisation of T5, Llama and their kin (RMSNorm, Zhang and
    Sennrich 2019): seven operators, which onnxruntime makes one of where it finds a division.
    """
    readers = Counter(name for node in graph.node for name in node.input)
    roots = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Reciprocal" and readers[node.output[0]] == 1
    }
    divided: set[str] = set()
    for node in graph.node:
        if node.op_type != "Mul" or not (found := [name for name in node.input if name in roots]):
            continue
        divisor = found[0]
        (dividend,) = (name for name in node.input if name != divisor)
        node.op_type = "Div"
        node.input[:] = [dividend, roots[divisor]]
        divided.add(divisor)
    kept = [node for node in graph.node if node.output[0] not in divided]
    del graph.node[:]
    graph.node.extend(kept)
