"""From the fine-tuned model to a bundle whose every variant was held against torch on real rows."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ftcore.data.features import FeatureStore
from ftcore.evaluation.predict import predict
from ftcore.families.text_generation import TextGeneration
from ftcore.files import read_json, write_json
from ftcore.runs.generation_parity import compare_answers, largest_difference
from ftcore.runs.workspace import Workspace
from ftcore_export.exporter.bundle_writer import TOKENIZER, VariantSource, write_bundle
from ftcore_export.exporter.onnx_graph import export_graph
from ftcore_export.exporter.parity import Parity, compare
from ftcore_export.exporter.quantize import quantize_int8
from ftcore_export.runtime.pipeline import Pipeline

_GOLDEN_ROWS = 8


@dataclass(frozen=True)
class _Reference:
    """What torch says of the rows that every variant is held against."""

    inputs: list[Any]
    features: FeatureStore
    outputs: Mapping[str, np.ndarray]
    answers: list[Any]
    ids: list[str]


def export_bundle(workspace: Workspace) -> list[str]:
    """Write `bundle/` and `export.json`.

    Returns:
        what is over its tolerance, a sentence each; empty where all is well.
    """
    model = workspace.fine_tuned()
    problems: list[str] = []
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=workspace.folder.path, prefix=".export-") as name:
        scratch = Path(name)
        reference = _reference(workspace, model, scratch)
        graphs = _write_graphs(workspace, model, scratch)
        # A draft first: variants are measured through the very runtime that will serve them.
        draft = _write(
            workspace, scratch / "draft", {key: VariantSource(files) for key, files in graphs.items()}
        )
        measured = {}
        for variant, files in graphs.items():
            pipeline = Pipeline.load(draft, variant)
            parity = _parity(workspace, model, reference, pipeline)
            problems += _over_tolerance(workspace, variant, parity)
            metrics = _test_metrics(workspace, pipeline)
            measured[variant] = VariantSource(files, metrics, parity.summary())
            report[variant] = {
                "bytes": sum(file.stat().st_size for file in files.values()),
                "parity": parity.to_json(),
                "test": metrics,
            }
            workspace.events.emit("variant_exported", variant=variant, **report[variant])
        _write(workspace, workspace.folder.bundle, measured)
    write_json(workspace.folder.export_file, {"variants": report, "problems": problems})
    return problems


def _write_graphs(workspace: Workspace, model: torch.nn.Module, folder: Path) -> dict[str, dict[str, Path]]:
    """Variant -> role -> ONNX file. The fp32 graph is always made: the others come from it."""
    made: dict[str, dict[str, Path]] = {"fp32": {}, "int8": {}}
    for graph in workspace.family.graphs(model, workspace.encoder):
        made["fp32"][graph.name] = export_graph(graph, folder / f"{graph.name}.fp32.onnx")
        if "int8" in workspace.spec.export.variants:
            made["int8"][graph.name] = quantize_int8(
                made["fp32"][graph.name], folder / f"{graph.name}.int8.onnx"
            )
    return {variant: made[variant] for variant in workspace.spec.export.variants}


def _write(workspace: Workspace, folder: Path, variants: Mapping[str, VariantSource]) -> Path:
    record = workspace.folder.record()
    family, spec = workspace.family, workspace.spec
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = Path(scratch) / TOKENIZER
        workspace.encoder.tokenizer.save(str(tokenizer))
        return write_bundle(
            folder,
            name=record["name"],
            task=record["task"],
            family=record["family"],
            encoder_config=workspace.encoder.config,
            tokenizer_path=tokenizer,
            decoder=family.decoder,
            variants=variants,
            default_variant=spec.export.variants[0],
            metrics=read_json(workspace.folder.metrics_file)
            if workspace.folder.metrics_file.exists()
            else {},
            provenance={
                "run": workspace.folder.path.name,
                "base_model": spec.model.base,
                "seed": record["seed"],
                "git_revision": record["git_revision"],
                "plugin": record["plugin"],
                "versions": record["versions"],
                "data": record["data"],
            },
            golden=family.inputs(workspace.splits.validation.table.slice(0, _GOLDEN_ROWS)),
        )


def _reference(workspace: Workspace, model: torch.nn.Module, scratch: Path) -> _Reference:
    split, family = workspace.splits.validation, workspace.family
    rows = split.table.slice(0, workspace.spec.export.parity_rows)
    features = FeatureStore.build(rows, family, workspace.encoder, scratch / "features.arrow")
    outputs = predict(model, family, features, workspace.spec.evaluation.batch_size)
    answers = family.answers(outputs, features, rows)
    ids = split.origin.slice(0, rows.num_rows).to_pylist()
    return _Reference(family.inputs(rows), features, outputs, answers, ids)


def _parity(
    workspace: Workspace, model: torch.nn.Module, reference: _Reference, pipeline: Pipeline
) -> Parity:
    family = workspace.family
    outputs = pipeline.outputs(reference.inputs)
    answers = pipeline.predict(reference.inputs, top_k=family.top_k)
    if isinstance(family, TextGeneration):
        widest = largest_difference(family, model, pipeline.writer, reference.features)
        own = (dict(reference.outputs), reference.answers)
        return compare_answers(
            family, model, reference.features, own, (outputs, answers), reference.ids, widest
        )
    return compare(reference.outputs, outputs, reference.answers, answers, reference.ids)


def _test_metrics(workspace: Workspace, pipeline: Pipeline) -> dict[str, Any]:
    """What the variant itself, not the model that it came from, reaches on the test rows."""
    rows, spec = workspace.splits.test.table, workspace.spec.evaluation
    answers = pipeline.predict(workspace.family.inputs(rows), top_k=workspace.family.top_k)
    evaluation = workspace.evaluator.measure(
        workspace.family.references(rows), answers, resamples=spec.bootstrap, confidence=spec.confidence
    )
    return {"rows": rows.num_rows, "metrics": evaluation.to_json()["metrics"]}


def _over_tolerance(workspace: Workspace, variant: str, parity: Parity) -> list[str]:
    tolerance = workspace.spec.export.tolerance
    allowed = tolerance.flips if variant == "fp32" else tolerance.int8_flips
    problems = []
    if variant == "fp32" and not parity.max_abs_diff <= tolerance.logits:
        problems.append(
            f"{variant}: outputs differ from torch by {parity.max_abs_diff:.3g}; allowed: {tolerance.logits:g}"
        )
    if parity.flip_share > allowed:
        problems.append(
            f"{variant}: {len(parity.flips)} of {parity.rows} answers flip ({parity.flip_share:.1%}); allowed:"
            f" {allowed:.1%}"
        )
    return problems
