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
from ftcore.files import read_json, write_json
from ftcore.runs.workspace import Workspace
from ftcore_export.exporter.bundle_writer import TOKENIZER, VariantSource, write_bundle
from ftcore_export.exporter.onnx_graph import export_graph
from ftcore_export.exporter.parity import Parity, compare
from ftcore_export.exporter.quantize import quantize_int8
from ftcore_export.runtime.pipeline import Pipeline
from ftcore_export.runtime.reference import Reference, unknown_id

_GOLDEN_ROWS = 8
_REFERENCE_ROWS = 2000


@dataclass(frozen=True)
class _Reference:
    """What torch says of the rows that every variant is held against."""

    inputs: list[Any]
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
        drift: dict[str, Any] | None = None
        for variant, files in graphs.items():
            pipeline = Pipeline.load(draft, variant)
            parity = _parity(reference, pipeline, workspace.family.top_k)
            problems += _over_tolerance(workspace, variant, parity)
            answers = pipeline.predict(
                workspace.family.inputs(workspace.splits.test.table), top_k=workspace.family.top_k
            )
            metrics = _test_metrics(workspace, answers)
            measured[variant] = VariantSource(files, metrics, parity.summary())
            report[variant] = {
                "bytes": sum(file.stat().st_size for file in files.values()),
                "parity": parity.to_json(),
                "test": metrics,
            }
            workspace.events.emit("variant_exported", variant=variant, **report[variant])
            if variant == workspace.spec.export.variants[0]:
                drift = _drift_reference(workspace, pipeline, answers)
        _write(workspace, workspace.folder.bundle, measured, drift)
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


def _write(
    workspace: Workspace,
    folder: Path,
    variants: Mapping[str, VariantSource],
    reference: Mapping[str, Any] | None = None,
) -> Path:
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
            reference=reference,
        )


def _reference(workspace: Workspace, model: torch.nn.Module, scratch: Path) -> _Reference:
    split, family = workspace.splits.validation, workspace.family
    rows = split.table.slice(0, workspace.spec.export.parity_rows)
    features = FeatureStore.build(rows, family, workspace.encoder, scratch / "features.arrow")
    outputs = predict(model, family, features, workspace.spec.evaluation.batch_size)
    answers = family.answers(outputs, features, rows)
    ids = split.origin.slice(0, rows.num_rows).to_pylist()
    return _Reference(family.inputs(rows), outputs, answers, ids)


def _parity(reference: _Reference, pipeline: Pipeline, top_k: int) -> Parity:
    return compare(
        reference.outputs,
        pipeline.outputs(reference.inputs),
        reference.answers,
        pipeline.predict(reference.inputs, top_k=top_k),
        reference.ids,
    )


def _test_metrics(workspace: Workspace, answers: list[Any]) -> dict[str, Any]:
    """What the variant itself, not the model that it came from, reaches on the test rows."""
    rows, spec = workspace.splits.test.table, workspace.spec.evaluation
    evaluation = workspace.evaluator.measure(
        workspace.family.references(rows), answers, resamples=spec.bootstrap, confidence=spec.confidence
    )
    return {"rows": rows.num_rows, "metrics": evaluation.to_json()["metrics"]}


def _drift_reference(workspace: Workspace, pipeline: Pipeline, answers: list[Any]) -> dict[str, Any] | None:
    """Histograms of the first test rows and their answers, which a server holds what it sees against."""
    inputs = workspace.family.inputs(workspace.splits.test.table.slice(0, _REFERENCE_ROWS))
    if not inputs:
        return None
    prepared = pipeline.decoder.prepare(inputs, pipeline.encoder)
    unknown = unknown_id(pipeline.encoder.tokenizer)
    return Reference.of(prepared, answers[: len(inputs)], pipeline.labels, unknown).to_json()


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
