"""A Triton model repository: the graph in the ONNX backend, tokenizer and decoder in a step of the Python backend.

Tokenizers inside of ONNX graphs drift from the one that a model was trained with; so the step in front reads the
bundle's own `tokenizer.json`, with the runtime that evaluation used. It calls the graph, whose requests Triton batches.
A bundle that generates texts runs its graphs once a token, with a cache that must not travel: its step runs them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from ftcore_runtime.errors import UserError
from ftcore_runtime.pipeline import Pipeline
from ftcore_server.packaging.target import Packed, new_folder
from ftcore_server.tensors import describe_outputs

_TYPES = {"BYTES": "TYPE_STRING", "FP32": "TYPE_FP32", "INT64": "TYPE_INT64", "BOOL": "TYPE_BOOL"}
_MAX_BATCH = 64


@dataclass(frozen=True)
class Instances:
    """Where copies of the graph run.

    Args:
        gpu: on the GPUs, else on the CPUs.
        count: copies on each GPU, or on the CPUs.
        threads: of one run of the graph on the CPUs.
    """

    gpu: bool = False
    count: int = 1
    threads: int = 1

    @classmethod
    def parse(cls, text: str, threads: int) -> tuple[str, Instances]:
        """A variant and where it runs, of `VARIANT=KIND` or `VARIANT=KIND:COUNT`.

        Raises:
            UserError: the text is neither.
        """
        found = re.fullmatch(r"(\w+)=(cpu|gpu)(?::(\d{1,4}))?", text)
        if found is None or (count := int(found[3] or 1)) < 1:
            raise UserError(
                f"{text!r} is no VARIANT=cpu or VARIANT=gpu, or with a number of copies, as in fp16=gpu:2"
            )
        return found[1], cls(found[2] == "gpu", count, threads)

    @property
    def group(self) -> str:
        """As Triton reads it."""
        return f"instance_group [ {{ kind: KIND_{'GPU' if self.gpu else 'CPU'}, count: {self.count} }} ]"


def write_triton(members: Sequence[tuple[Packed, Instances]], output: Path) -> Path:
    """Write the repository: of each member `NAME` (texts to answers) and `NAME_graph`; of one that generates, `NAME`.

    Args:
        members: what answers by which name, and where its graph runs; of a bundle that generates texts, the step that
            runs its graphs.
        output: a folder that is not there yet; `--model-repository` of `tritonserver`.
    """
    with new_folder(output) as folder:
        for packed, instances in members:
            _write(packed, instances, folder)
    return output


def variants_of(packed: Packed, groups: Mapping[str, Instances]) -> list[tuple[Packed, Instances]]:
    """A member for each variant, `NAME-VARIANT`.

    Raises:
        UserError: the bundle has no such variant.
    """
    return [
        (
            replace(
                packed,
                name=f"{packed.name}-{variant.replace('_', '-')}",
                pipeline=Pipeline.load(packed.path, variant),
            ),
            instances,
        )
        for variant, instances in groups.items()
    ]


def _write(packed: Packed, instances: Instances, folder: Path) -> None:
    """The models of one member."""
    pipeline = packed.pipeline
    front = folder / packed.name
    packed.copy_to(front / "1" / "bundle")
    step = resources.files("ftcore_server.packaging") / "triton_step.py"
    (front / "1" / "model.py").write_text(step.read_text(encoding="utf-8"), encoding="utf-8")
    (front / "config.pbtxt").write_text(_front(packed, instances), encoding="utf-8")
    if pipeline.generates:
        return
    behind = folder / f"{packed.name}_graph"
    (behind / "1").mkdir(parents=True)
    graph = pipeline.manifest.variants[pipeline.variant].graphs["model"]
    shutil.copyfile(packed.path / graph, behind / "1" / "model.onnx")
    (behind / "config.pbtxt").write_text(_graph(packed, instances), encoding="utf-8")


def _front(packed: Packed, instances: Instances) -> str:
    pipeline = packed.pipeline
    inputs = [
        _tensor(field, "TYPE_STRING", [-1], optional=index >= pipeline.required)
        for index, field in enumerate(pipeline.fields)
    ]
    outputs = [
        _tensor(tensor["name"], _TYPES[tensor["datatype"]], tensor["shape"])
        for tensor in describe_outputs(pipeline)
    ]
    lines = [
        f'name: "{packed.name}"',
        'backend: "python"',
        "max_batch_size: 0",
        _list("input", inputs),
        _list("output", outputs),
        replace(instances, gpu=False, count=instances.count if pipeline.generates else 1).group,
    ]
    own = {"threads": instances.threads} if pipeline.generates else {}
    lines.append(_parameters({"variant": pipeline.variant, **own}))
    return "\n".join(lines) + "\n"


def _graph(packed: Packed, instances: Instances) -> str:
    decoder = packed.pipeline.decoder
    shapes = packed.pipeline.session.output_shapes
    inputs = [_tensor(name, "TYPE_INT64", [-1]) for name in packed.pipeline.manifest.encoder.inputs]
    outputs = [
        _tensor(name, "TYPE_FP32", [size if isinstance(size, int) else -1 for size in shapes[name][1:]])
        for name in decoder.outputs
    ]
    lines = [
        f'name: "{packed.name}_graph"',
        'backend: "onnxruntime"',
        f"max_batch_size: {_MAX_BATCH}",
        _list("input", inputs),
        _list("output", outputs),
        "dynamic_batching { }",
        instances.group,
        _parameters({"intra_op_thread_count": instances.threads, "inter_op_thread_count": 1}),
    ]
    return "\n".join(lines) + "\n"


def _tensor(name: str, kind: str, dims: Sequence[int], optional: bool = False) -> str:
    more = ", optional: true" if optional else ""
    return f'{{ name: "{name}", data_type: {kind}, dims: [ {", ".join(map(str, dims))} ]{more} }}'


def _list(name: str, items: Sequence[str]) -> str:
    return f"{name} [\n  " + ",\n  ".join(items) + "\n]"


def _parameters(values: Mapping[str, int | str]) -> str:
    return "\n".join(
        f'parameters {{ key: "{key}", value: {{ string_value: "{value}" }} }}'
        for key, value in values.items()
    )
