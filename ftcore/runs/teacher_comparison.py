"""Teacher, student and the student's other variants in one table: quality against size and latency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ftcore.data.features import FeatureStore
from ftcore.evaluation.predict import predict
from ftcore.families.tuning import tuned
from ftcore.runs.cache import cache_dir
from ftcore.runs.evaluation_inputs import EvaluationInputs
from ftcore.runs.gates import Measured
from ftcore.runs.teacher import Teacher
from ftcore.runs.variant_evaluation import TIMED
from ftcore_export.onnx_graph import MAX_BYTES, export_graph
from ftcore_export.sensitivity import Graphs
from ftcore_export.speed import Speed, measure_speed, timed, warm_up
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.pipeline import Pipeline

#: Writes a bundle of one variant, with an encoder, to a folder.
Draft = Callable[[TextEncoder, Path, str, Graphs], Path]
#: The rows of a split, as a model with this encoder reads them.
Tokenise = Callable[[str, TextEncoder], FeatureStore]


def compare_with_teacher(
    inputs: EvaluationInputs,
    teacher: Teacher,
    tokenise: Tokenise,
    students: Mapping[str, Measured],
    scratch: Path,
    draft: Draft,
) -> list[dict[str, Any]]:
    """The rows of the table, the teacher's first: model, variant, bytes, metrics of the test rows, speed.

    The teacher answers the test rows in torch. It is timed as fp32 graphs in the runtime that the students are timed
    in; one that is too large for them has no speed.
    """
    model = teacher.build(inputs.family)
    quality = _quality(inputs, teacher, tokenise, model)
    size = sum(weight.nbytes for weight in model.parameters())
    speed = None
    if size <= MAX_BYTES:
        speed = _speed(inputs, teacher, model, scratch, draft)
    return [
        _row("teacher", "fp32", size, quality, speed),
        *(_row("student", name, one.bytes, one.test, one.speed) for name, one in students.items()),
    ]


def _row(model: str, variant: str, size: int, test: Mapping[str, Any], speed: Speed | None) -> dict[str, Any]:
    taken = speed.to_json() if speed else None
    return {"model": model, "variant": variant, "bytes": size, "test": test, "speed": taken}


def _quality(
    inputs: EvaluationInputs, teacher: Teacher, tokenise: Tokenise, model: torch.nn.Module
) -> dict[str, Any]:
    """Metrics of the test rows, with thresholds that were tuned on the validation rows as the student's are."""
    family, answers = inputs.family, list[Any]()
    for split in ("validation", "test"):
        rows, features = inputs.splits[split].table, tokenise(split, teacher.encoder)
        outputs = predict(model, family, features, inputs.batch_size)
        if split == "validation":
            family = tuned(family, outputs, features, rows)
        answers = family.scoring.answers(outputs, features, rows)
    return inputs.measure("test", answers)


def _speed(
    inputs: EvaluationInputs, teacher: Teacher, model: torch.nn.Module, scratch: Path, draft: Draft
) -> Speed:
    family = inputs.family
    model.to("cpu")
    graphs = {
        graph.name: export_graph(graph, scratch / f"teacher.{graph.name}.onnx", cache_dir() / "graphs")
        for graph in family.export.graphs(model, teacher.encoder)
    }
    folder = draft(teacher.encoder, scratch / "draft-teacher", "fp32", graphs)
    texts = family.reader.inputs(inputs.splits.validation.table.slice(0, TIMED))
    pipeline, seconds = timed(partial(Pipeline.load, folder))
    warm_up(pipeline, texts)
    return measure_speed(pipeline, seconds, texts)
