"""A traced module to one self-contained ONNX file: checked, and silent about the machine that wrote it."""

from __future__ import annotations

import inspect
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch

from ftcore_export.first_token import compute_first_token
from ftcore_export.fusible import divide_by_roots
from ftcore_export.graph import Graph
from ftcore_export.graph_key import graph_key
from ftcore_export.graph_template import fill, make_template, read_template, write_template
from ftcore_export.tied_weights import share_transposes
from ftcore_runtime.errors import UserError

OPSET = 21
MAX_BYTES = 2**31 - 1  # of a protobuf message; beyond it weights need files of their own

#: From what may begin a path to the end of a file's name, or of what may stand in a path. Possessive, so that a match
#: that is no file's name is skipped as a whole: the search takes time linear in the bytes.
_PATH = re.compile(rb"(?:/|[A-Za-z]:\\)(?:(?!\.py\b)[^\x00-\x1f\"'<>|])*+(\.py)?")


def export_graph(graph: Graph, path: str | Path, templates: Path | None = None) -> Path:
    """Write `graph` as ONNX (opset 21, dynamic axes by name, weights inside) to `path`.

    Args:
        templates: a folder where graphs are kept without their weights, so that only the first of many models of one
            architecture is traced. Nothing is kept unless given.

    Raises:
        UserError: the weights exceed the 2 GiB that one ONNX file can hold.
    """
    module = graph.module.eval()
    weights = {tensor.data_ptr(): tensor.nbytes for tensor in (*module.parameters(), *module.buffers())}
    if (size := sum(weights.values())) > MAX_BYTES:
        raise UserError(
            f"the weights have {size / 2**30:.1f} GiB; one ONNX file holds less than 2",
            where=f"graph {graph.name!r}",
            hint="fine-tune a smaller base model",
        )
    model = _from_template(graph, templates) if templates else None
    if model is None:
        model = _trace(graph)
    onnx.checker.check_model(model)
    found = [node.name for node in model.graph.input]
    if found != list(graph.example):
        raise RuntimeError(f"the graph {graph.name!r} reads {found}, not {list(graph.example)}")
    path = Path(path)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def _from_template(graph: Graph, folder: Path) -> onnx.ModelProto | None:
    """The graph out of a template, made first where there is none yet; None where none can be had."""
    if (key := graph_key(graph)) is None:
        return None
    path, refused = folder / f"{key}.graph", folder / f"{key}.none"
    if refused.exists():
        return None
    if (kept := read_template(path)) is not None and (model := fill(kept, graph)) is not None:
        return model
    made = make_template(graph, _trace)
    if (model := fill(made, graph)) is not None:
        write_template(made, path)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        refused.touch()  # it is not traced twice each time
    return model


def _trace(graph: Graph) -> onnx.ModelProto:
    """The module as a graph, rewritten for onnxruntime, without a trace of this machine."""
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph.module,
            **_arguments(graph),
            output_names=list(graph.outputs),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None  # it is None for the old exporter only
    model = program.model_proto
    share_transposes(model.graph)
    divide_by_roots(model.graph)
    compute_first_token(model.graph)
    strip(model)
    return model


def _arguments(graph: Graph) -> dict[str, Any]:
    """What is traced and what is dynamic in it: by name, or in order where `forward` ends in `*rest`."""
    shapes = {name: dict(graph.dynamic.get(name, {})) for name in graph.example}
    if not graph.by_order:
        return {"args": (), "kwargs": dict(graph.example), "dynamic_shapes": shapes}
    kinds = [one.kind for one in inspect.signature(graph.module.forward).parameters.values()]
    named, every = kinds.index(inspect.Parameter.VAR_POSITIONAL), list(shapes.values())
    return {
        "args": tuple(graph.example.values()),
        "input_names": list(graph.example),
        "dynamic_shapes": [*every[:named], tuple(every[named:])],
    }


def strip(model: onnx.ModelProto) -> None:
    """Remove node metadata and doc strings: half a megabyte of stack traces with paths of this machine."""
    graph = model.graph
    parts = (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer)
    functions = [
        part for function in model.functions for part in (function, *function.node, *function.value_info)
    ]
    for part in (*parts, *functions):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for part in (*graph.node, *graph.value_info, *functions):
        for found in _PATH.finditer(part.SerializeToString()):
            if found[1]:
                raise RuntimeError(f"the graph holds a local path: {found[0][:100]!r}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says of itself on every model, and nothing else."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)  # "torchvision is not installed"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
            warnings.filterwarnings("ignore", message=".*The axis name: .* will not be used.*")
            yield
    finally:
        registration.setLevel(level)
