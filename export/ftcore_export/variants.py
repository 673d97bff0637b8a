"""The kinds of graph that a bundle may hold, each made from the fp32 one, and what each is good for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from ftcore_export.quantize import quantize_int8, save
from ftcore_export.weights_only import quantize_weights


def quantize_by_tensor(src: Path, dst: Path) -> Path:
    """int8 with a scale for all rows of an activation: faster, and batch-mates change each other's answers."""
    return quantize_int8(src, dst, by_row=False)


def to_float16(src: Path, dst: Path) -> Path:
    """Weights and arithmetic in float16; inputs and outputs keep their types."""
    model = convert_float_to_float16(onnx.load(src), keep_io_types=True)
    OnnxModel.graph_topological_sort(model.graph, is_deterministic=True)  # it appends the casts of inputs
    return save(model, dst)


def copy(src: Path, dst: Path) -> Path:
    """The fp32 graph itself."""
    dst.write_bytes(src.read_bytes())
    return dst


#: Kind of graph -> what writes it: (fp32 graph, destination) -> destination.
#: `int8_mixed` is not here: which operators stay in float is found by measurement.
KINDS: Mapping[str, Callable[[Path, Path], Path]] = {
    "fp32": copy,
    "int8": quantize_int8,
    "int8_tensor": quantize_by_tensor,
    "weights8": quantize_weights,
    "weights4": partial(quantize_weights, bits=4),
    "fp16": to_float16,
}

#: What `variants: auto` leaves out, and why.
LEFT_OUT: Mapping[str, str] = {
    "fp16": "it is for GPUs (`--device cuda`); on the CPU onnxruntime turns float16 back into float32",
    "bf16": "onnxruntime's CPU provider loads no bfloat16 graph",
}
