"""Graphs that take very long: what a bundle from outside may hold although every operator of it is allowed."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


def heavy_bundle(bundle: Path, folder: Path, kind: str) -> Path:
    """A copy of the tiny bundle, and its manifest made right, whose graph fp32 takes very long; answers are the same.

    Args:
        kind: `loading`: while it is loaded, since onnxruntime computes what is constant;
            `answering`: whenever it answers; `long texts`: with texts that are longer than the golden examples;
            `memory`: it takes 64 GB in place of time.
    """
    shutil.copytree(bundle, folder)
    path = folder / "model.fp32.onnx"
    model = onnx.load(path)
    graph = model.graph

    def constant(name: str, value: np.ndarray) -> None:
        graph.initializer.append(numpy_helper.from_array(value, name))

    def add(operator: str, reads: list[str], writes: str, **attributes: object) -> None:
        graph.node.append(helper.make_node(operator, reads, [writes], **attributes))

    constant("h_zero", np.zeros(1, np.float32))
    size = 2**17 if kind == "memory" else 3000
    if kind == "loading":
        constant("h_shape", np.array([size, size], np.int64))
        add("Expand", ["h_zero", "h_shape"], "h_0")
    else:
        add("Cast", ["input_ids"], "h_floats", to=onnx.TensorProto.FLOAT)
        add("ReduceMax", ["h_floats"], "h_max", keepdims=0)
        add("Mul", ["h_max", "h_zero"], "h_value")  # 0, which is not known before
        if kind == "long texts":  # a side of 4 * tokens ** 2: 14 tokens make 784, 62 make 15,376
            constant("h_four", np.array([4, 4], np.int64))
            constant("h_axis", np.array([1, 1], np.int64))
            add("Shape", ["input_ids"], "h_sizes")
            add("Gather", ["h_sizes", "h_axis"], "h_tokens")
            add("Mul", ["h_tokens", "h_tokens"], "h_squares")
            add("Mul", ["h_squares", "h_four"], "h_shape")
        else:
            constant("h_shape", np.array([size, size], np.int64))
        add("Expand", ["h_value", "h_shape"], "h_0")
    steps = 1 if kind == "memory" else 4 if kind == "long texts" else 2000
    for step in range(steps):
        add("MatMul", [f"h_{step}", "h_0"], f"h_{step + 1}")
    add("ReduceMax", [f"h_{steps}"], "h_result", keepdims=0)
    (last,) = (node for node in graph.node if "logits" in node.output)
    last.output[0] = "h_logits"
    add("Add", ["h_logits", "h_result"], "logits")
    path.write_bytes(model.SerializeToString())
    manifest = json.loads((folder / "bundle.json").read_text())
    data = path.read_bytes()
    manifest["files"][path.name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest["variants"]["fp32"]["bytes"] = len(data)
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder
