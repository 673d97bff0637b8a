"""A graph without its weights, kept for the next model of the same architecture: putting weights in takes moments.

Tracing takes most of the time of an export, and gives the same graph for every seed, fold and epoch. A template is
traced with weights that are all different, so that each constant of the graph is known by its content: that of a
weight, of its transpose, or of neither. What the exporter computes from weights is no weight any more; then the
graph, filled with the own weights of the model, does not answer as the model does, and there is no template.

Weights may have another number of rows than those that were traced: another task's labels, or another vocabulary.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper

from ftcore_export.graph import Graph
from ftcore_runtime.errors import BundleError
from ftcore_runtime.publishing import write_whole
from ftcore_runtime.session import GraphSession

_ENTRY = "ftcore.weights"  # of the metadata: initializer -> [name of the weight, whether it is transposed]
_DIGEST = hashlib.sha256().digest_size  # bytes of a file before the graph
_TOLERANCE = (
    1e-3  # of an output, relative and absolute: another graph differs by far more, float32 by far less
)

Weights = Mapping[str, tuple[str, bool]]


def make_template(graph: Graph, trace: Callable[[Graph], onnx.ModelProto]) -> onnx.ModelProto:
    """The graph as `trace` writes it, with the weights taken out and their names noted."""
    with _distinct_weights(graph.module):
        template = trace(graph)
        weights = _found_weights(template, graph.module)
    for tensor in template.graph.initializer:
        if tensor.name in weights:
            tensor.ClearField("raw_data")
    onnx.helper.set_model_props(template, {_ENTRY: json.dumps(weights)})
    return template


def read_template(path: Path) -> onnx.ModelProto | None:
    """A template that was written before; None where there is none or it is damaged."""
    if not path.is_file():
        return None
    data = path.read_bytes()
    digest, content = data[:_DIGEST], data[_DIGEST:]
    return onnx.load_from_string(content) if hashlib.sha256(content).digest() == digest else None


def write_template(template: onnx.ModelProto, path: Path) -> None:
    """Keep it for other processes, behind its digest; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = template.SerializeToString(deterministic=True)
    write_whole(path, [hashlib.sha256(content).digest(), content])


def fill(template: onnx.ModelProto, graph: Graph) -> onnx.ModelProto | None:
    """The template with the module's weights, or None where it does not answer as the module does."""
    model = onnx.ModelProto()
    model.CopyFrom(template)
    weights: Weights = json.loads(_entry(template))
    del model.metadata_props[:]
    own = {name: weight.detach().cpu().numpy() for name, weight in graph.module.named_parameters()}
    arrays = {held: own[name].T if transposed else own[name] for held, (name, transposed) in weights.items()}
    known = [tensor for tensor in model.graph.initializer if tensor.name in arrays]
    resized = [tensor for tensor in known if tuple(tensor.dims) != arrays[tensor.name].shape]
    for tensor in resized:
        tensor.dims[:] = arrays[tensor.name].shape
    if resized:
        _correct_shapes(model)
    for tensor in known:
        tensor.raw_data = np.ascontiguousarray(arrays[tensor.name]).tobytes()
    return model if _answers_alike(model, graph) else None


def _correct_shapes(model: onnx.ModelProto) -> None:
    """Let what the graph says of its values' sizes follow from the weights'; names of dimensions stay."""
    unknown = onnx.ModelProto()
    unknown.CopyFrom(model)
    del unknown.graph.value_info[:]
    for value in unknown.graph.output:
        value.type.tensor_type.ClearField("shape")
    found = onnx.shape_inference.infer_shapes(unknown, data_prop=True).graph
    sizes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    for value in (*found.value_info, *found.output):  # 0 is the size of a dimension with a name
        sizes[value.name] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    for value in (*model.graph.value_info, *model.graph.output):
        for dim, size in zip(value.type.tensor_type.shape.dim, sizes.get(value.name, ()), strict=False):
            if dim.HasField("dim_value") and size:
                dim.dim_value = size


def _entry(template: onnx.ModelProto) -> str:
    return next((one.value for one in template.metadata_props if one.key == _ENTRY), "")


@contextmanager
def _distinct_weights(module: torch.nn.Module) -> Iterator[None]:
    """Give every floating-point weight random content for a while; weights that are one stay one."""
    source = torch.Generator().manual_seed(0)
    weights = [one for one in module.parameters() if one.is_floating_point()]
    before = [one.data for one in weights]
    made: dict[int, torch.Tensor] = {}
    try:
        for one in weights:
            random = torch.randn(one.shape, generator=source).to(one.dtype)
            one.data = made.setdefault(one.data_ptr(), random)
        yield
    finally:
        for one, data in zip(weights, before, strict=True):
            one.data = data


def _found_weights(model: onnx.ModelProto, module: torch.nn.Module) -> Weights:
    """Which weight each initializer is."""
    known: dict[tuple[bytes, tuple[int, ...]], tuple[str, bool]] = {}
    for name, weight in module.named_parameters():
        if not weight.is_floating_point():
            continue
        array = weight.detach().numpy()
        if array.ndim == 2:
            known.setdefault(_content(array.T), (name, True))
        known[_content(array)] = (name, False)
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    found = {}
    for tensor in model.graph.initializer:
        if tensor.data_type in floats and tensor.HasField("raw_data"):
            weight_of = known.get(_content(numpy_helper.to_array(tensor)))
            if weight_of is not None:
                found[tensor.name] = weight_of
    return found


def _content(array: np.ndarray[Any, Any]) -> tuple[bytes, tuple[int, ...]]:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest(), array.shape


def _answers_alike(model: onnx.ModelProto, graph: Graph) -> bool:
    """Whether the graph gives the module's outputs for the example."""
    try:
        session = GraphSession(model.SerializeToString(), graph.name, outputs=list(graph.outputs))
        got = session.run({name: one.numpy() for name, one in graph.example.items()})
    except BundleError:
        return False
    return all(
        got[name].shape == tuple(one.shape)
        and np.allclose(got[name], one.numpy(), rtol=_TOLERANCE, atol=_TOLERANCE)
        for name, one in zip(graph.outputs, graph.answers(), strict=True)
    )
