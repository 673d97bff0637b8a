"""Graphs that tests write by hand, in a version of ONNX that every runtime within our limits loads."""

from __future__ import annotations

import onnx
from onnx import helper


def as_model(graph: onnx.GraphProto) -> onnx.ModelProto:
    """A model of this graph; without a version onnx writes its newest, which an older onnxruntime refuses."""
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
