"""A key of everything but the weights that an exported graph depends on: two equal keys, one graph.

How many labels or pieces of a vocabulary there are is no part of it: operators are the same for any number.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch

from ftcore_export.graph import Graph

#: Their code is known by their version; that of other modules' classes by the files that hold it.
_VERSIONED = ("torch", "transformers", "onnx", "onnxscript", "onnx-ir", "numpy")
#: Numbers that differ between tasks on one base model.
_COUNTS = {"num_labels", "vocab_size"}
#: Of a configuration: what a graph does not show (`problem_type` is which loss a model computes from labels).
_NAMES = {"_name_or_path", "id2label", "label2id", "problem_type", "transformers_version", *_COUNTS}
#: Of a module: what torch keeps in it, which the key looks at in a way of its own, and the folder it was loaded from.
_HELD = {"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "name_or_path", *_COUNTS}
#: Kinds of module whose weights may have any number of rows, and what they call that. Rows of any other layer are in
#: the key as another one's columns or in a configuration.
_ROWS: dict[type[torch.nn.Module], str] = {
    torch.nn.Linear: "out_features",
    torch.nn.Embedding: "num_embeddings",
}


class _Unknown(Exception):
    """A module holds a value of which nobody can say whether it is the same in another process."""


def graph_key(graph: Graph) -> str | None:
    """SHA-256 in hex, or None where the module holds something that has no lasting description (a closure, a hook)."""
    try:
        content = {
            "versions": {name: version(name) for name in _VERSIONED},
            "exporter": _digest(sorted(Path(__file__).parent.glob("*.py"))),
            "inputs": [(name, list(one.shape), str(one.dtype)) for name, one in graph.example.items()],
            "outputs": list(graph.outputs),
            "dynamic": _described({name: dict(axes) for name, axes in graph.dynamic.items()}),
            "tensors": list(_tensors(graph.module)),
            "modules": [(name, _module(part)) for name, part in graph.module.named_modules()],
        }
    except _Unknown:
        return None
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _free_rows(module: torch.nn.Module) -> set[str]:
    """The names of the weights whose number of rows is no part of the key."""
    return {
        f"{path}.{name}" if path else name
        for path, part in module.named_modules(remove_duplicate=False)
        if type(part) in _ROWS
        for name, _ in part.named_parameters(recurse=False)
    }


def _tensors(module: torch.nn.Module) -> Iterable[tuple[Any, ...]]:
    """Name and shape of every weight, and which other one it is; of what is no weight the content too."""
    first: dict[int, str] = {}
    free = _free_rows(module)
    for name, weight in module.named_parameters(remove_duplicate=False):
        same = first.setdefault(weight.data_ptr(), name) if weight.numel() else name
        yield name, list(weight.shape[name in free :]), str(weight.dtype), same
        if not weight.is_floating_point():
            yield (_content(weight),)
    for name, buffer in module.named_buffers(remove_duplicate=False):
        yield name, list(buffer.shape), str(buffer.dtype), _content(buffer)


def _content(tensor: torch.Tensor) -> str:
    raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.sha256(raw.numpy().tobytes()).hexdigest()


def _module(module: torch.nn.Module) -> Any:  # noqa: ANN401 (JSON)
    left_out = {*_HELD, _ROWS.get(type(module))}
    held = {name: value for name, value in vars(module).items() if name not in left_out}
    return _class(type(module)), _described(held)


def _described(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """As JSON, without addresses and without what differs from process to process.

    Raises:
        _Unknown: it has no such description.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.dtype | torch.device | torch.Size):
        return str(value)
    if isinstance(value, Enum):
        return [_class(type(value)), value.name]
    if isinstance(value, Mapping):
        return sorted((str(name), _described(one)) for name, one in value.items())
    if isinstance(value, list | tuple):
        return [_described(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, map(_described, value)))
    if isinstance(value, type):
        return _class(value)
    if isinstance(value, FunctionType | BuiltinFunctionType):
        return _function(value)
    if callable(make := getattr(value, "to_dict", None)):  # a configuration of transformers
        settings = {name: one for name, one in make().items() if name not in _NAMES}
        attention = getattr(value, "_attn_implementation", None)
        return [_class(type(value)), attention, _described(settings)]
    raise _Unknown


def _class(kind: type) -> list[str]:
    return [kind.__module__, kind.__qualname__, _code(kind.__module__)]


def _function(function: FunctionType | BuiltinFunctionType) -> list[str]:
    home = getattr(function, "__module__", None)
    if not home or "<" in function.__qualname__ or getattr(function, "__closure__", None):
        raise _Unknown
    return [home, function.__qualname__, _code(home)]


def _code(module: str) -> str:
    """Digest of a module's file; empty for one that its version tells apart."""
    root = module.partition(".")[0]
    if root in _VERSIONED or root in sys.stdlib_module_names:
        return ""
    file = getattr(sys.modules.get(module), "__file__", None)
    if not file or not Path(file).is_file():
        raise _Unknown
    return _digest((Path(file),))


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(_file(path, path.stat().st_mtime_ns) for path in files)).hexdigest()


@lru_cache(maxsize=256)
def _file(path: Path, _modified: int) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
