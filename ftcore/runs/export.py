"""From the fine-tuned model to a bundle: make its graphs, measure every variant, choose, publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ftcore.errors import UserError
from ftcore.events import Emit
from ftcore.files import write_json
from ftcore.imports import imported_meanwhile
from ftcore.report import charts
from ftcore.runs.cache import cache_dir
from ftcore.runs.criteria import Criteria
from ftcore.runs.evaluation_inputs import EvaluationInputs
from ftcore.runs.explaining import explain_errors
from ftcore.runs.gates import Measured, choose
from ftcore.runs.pruning import ModelAnswers, prune_vocabulary
from ftcore.runs.run_bundle import (
    ExportSummary,
    RunDescription,
    describe_run,
    write_draft,
    write_run_bundle,
)
from ftcore.runs.teacher_comparison import compare_with_teacher
from ftcore.runs.variant_evaluation import VariantEvaluation
from ftcore.runs.workspace import Workspace
from ftcore.spec.export import ExportSpec
from ftcore_export.bundle_writer import VariantSource
from ftcore_export.onnx_graph import export_graph
from ftcore_export.sensitivity import Graphs
from ftcore_export.variants import KINDS, LEFT_OUT
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.publishing import temporary_folder

_AUTO = ("fp32", "int8", "int8_tensor", "weights8")
_AUTO_GENERATION = (*_AUTO, "weights4")  # one token at a time waits for the weights, not for the products


@dataclass(frozen=True)
class Made:
    """The model as graphs in float32.

    Args:
        folder: where further graphs may be written.
        graphs: role -> file.
        encoder: what they read with.
        pruned: what pruning the vocabulary changed, as JSON; None where it was not pruned.
        evaluation: measures variants of them.
    """

    folder: Path
    graphs: Graphs
    encoder: TextEncoder
    pruned: Mapping[str, Any] | None
    evaluation: VariantEvaluation


@dataclass(frozen=True)
class Variant:
    """A variant's graphs, and what was measured of them."""

    graphs: Graphs
    found: Measured

    def source(self) -> VariantSource:
        """As the bundle takes it."""
        return VariantSource(
            self.graphs,
            self.found.test,
            self.found.parity.summary(),
            speed=self.found.speed.to_json(),
            batch_invariant=self.found.invariance.holds,
            failures=self.found.failures,
            decoder=self.found.decoder,
        )


@dataclass(frozen=True)
class Choice:
    """What becomes of the variants.

    Args:
        candidates: that may be in the bundle.
        kept: that are.
        default: the one of them that answers unless another one is named.
        passed: whether it passed every gate; True where there are none.
        skipped: variants that were not made -> why.
    """

    candidates: Mapping[str, Variant]
    kept: tuple[str, ...]
    default: str
    passed: bool
    skipped: Mapping[str, str]


def export_bundle(workspace: Workspace) -> list[str]:
    """Write `bundle/` and `export.json`.

    Returns:
        what is over its tolerance or fails its gates, a sentence each; empty where all is well.
    """
    folder, spec, emit = workspace.folder, workspace.spec.export, workspace.events.emit
    inputs = workspace.evaluation_inputs
    criteria = Criteria(spec, inputs.metric, inputs.family.scoring)
    run = describe_run(
        folder,
        workspace.spec,
        workspace.base_dir,
        inputs.family,
        inputs.metric,
        inputs.splits.validation.table,
    )
    with temporary_folder(folder.path, "export") as scratch:
        emit("activity", what="tracing the graph")
        made = _make(workspace, inputs, run, scratch)
        variants = _measure_all(made, criteria, emit)
        choice = _choose(spec, variants)
        comparison = _teacher_comparison(workspace, inputs, run, variants, scratch)
        emit("activity", what="writing the bundle")
        _publish(folder.bundle, run, made, spec, variants, choice, comparison)
    problems = _problems(criteria, choice, variants)
    report = _report(criteria, made, variants, choice, comparison, problems)
    write_json(folder.export_file, report)
    if folder.predictions("test").is_file():
        emit("activity", what="explaining the worst errors")
        with imported_meanwhile(*charts.HEAVY):  # the report is drawn next
            write_json(folder.explanations_file, {"errors": explain_errors(folder)})
    return problems


def _make(workspace: Workspace, inputs: EvaluationInputs, run: RunDescription, folder: Path) -> Made:
    """Prune the vocabulary if asked to, trace the graphs, and take down what torch answers."""
    spec, family = workspace.spec.export, inputs.family
    model, encoder, pruned = workspace.fine_tuned(), workspace.encoder, None
    if spec.prune_vocab:
        rows = inputs.splits.validation.table.slice(0, spec.parity_rows)
        answers = partial(ModelAnswers.of, model, family, rows, inputs.batch_size)
        counts = workspace.features("train").token_counts()
        encoder, pruned = prune_vocabulary(model, encoder, spec.prune_vocab, counts, answers)
        workspace.events.emit("vocabulary_pruned", **pruned)
    model.to("cpu")  # graphs are traced there
    graphs = {
        graph.name: export_graph(graph, folder / f"{graph.name}.onnx", cache_dir() / "graphs")
        for graph in family.export.graphs(model, encoder)
    }
    # The model ends with this function: what is measured after it has the memory to itself.
    draft = partial(write_draft, run, encoder)
    known = None if pruned else workspace.validated
    evaluation = VariantEvaluation(inputs, model, encoder, spec.parity_rows, folder, draft, known)
    return Made(folder, graphs, encoder, pruned, evaluation)


def _measure_all(made: Made, criteria: Criteria, emit: Emit) -> dict[str, Variant]:
    """Make and measure every variant that the spec lists, or that `auto` stands for."""
    spec = criteria.spec
    variants: dict[str, Variant] = {}

    def measure(kind: str, graphs: Graphs, note: Mapping[str, Any]) -> None:
        emit("activity", what=f"measuring {kind}")
        found = made.evaluation.measure(kind, graphs, note)
        before = {name: variant.found for name, variant in variants.items()}
        found = replace(found, failures=tuple(criteria.failures(kind, found, before)))
        emit("variant_exported", variant=kind, **found.to_json())
        variants[kind] = Variant(graphs, found)

    for kind in _kinds(spec, made.graphs):
        graphs = {
            role: KINDS[kind](path, made.folder / f"{role}.{kind}.onnx") for role, path in made.graphs.items()
        }
        measure(kind, graphs, {})
    if _mixed_is_due(criteria, variants):
        emit("activity", what="looking for the operators that int8 loses most by")
        fp32, allowed = variants["fp32"].found, criteria.max_metric_drop or 0.0
        graphs, kept = made.evaluation.operators_to_keep(
            made.graphs, lambda value: criteria.dropped(fp32, value) <= allowed
        )
        measure("int8_mixed", graphs, {"kept_in_float": kept})
    return variants


def _kinds(spec: ExportSpec, graphs: Graphs) -> Iterator[str]:
    """The variants that are made right away, fp32 first where the others are compared with it."""
    listed = _listed(spec, graphs)
    if spec.chosen_by or {"fp32", "int8_mixed"} & {*listed}:
        yield "fp32"
    yield from (kind for kind in listed if kind not in ("fp32", "int8_mixed"))


def _listed(spec: ExportSpec, graphs: Graphs) -> tuple[str, ...]:
    if spec.variants != "auto":
        return tuple(spec.variants)
    return _AUTO_GENERATION if "decoder" in graphs else _AUTO


def _mixed_is_due(criteria: Criteria, variants: Mapping[str, Variant]) -> bool:
    """Whether some operators of int8 are to stay in float: it is listed, or `auto` finds that int8 loses too much."""
    if criteria.spec.variants != "auto":
        return "int8_mixed" in criteria.spec.variants
    if criteria.max_metric_drop is None:
        return False
    lost = criteria.dropped(variants["fp32"].found, criteria.value(variants["int8"].found))
    return not lost <= criteria.max_metric_drop


def _choose(spec: ExportSpec, variants: Mapping[str, Variant]) -> Choice:
    """Which variants the bundle has, and which one answers by default."""
    auto = spec.variants == "auto"
    candidates = variants if auto else {kind: variants[kind] for kind in spec.variants}
    chosen: str | None = next(iter(candidates))
    if spec.chosen_by:
        chosen = choose({kind: variant.found for kind, variant in candidates.items()}, spec.prefer)
    default = chosen or ("fp32" if "fp32" in candidates else next(iter(candidates)))
    kept = tuple(kind for kind in candidates if not auto or kind in ("fp32", default))
    skipped = dict(LEFT_OUT) if auto else {}
    if auto and "int8_mixed" not in variants:
        skipped["int8_mixed"] = "int8 keeps to its metric budget as it is"
    return Choice(candidates, kept, default, chosen is not None, skipped)


def _teacher_comparison(
    workspace: Workspace,
    inputs: EvaluationInputs,
    run: RunDescription,
    variants: Mapping[str, Variant],
    folder: Path,
) -> list[dict[str, Any]] | None:
    """Teacher and students in one table; None without a teacher, or where it is gone since the training."""
    try:
        teacher = workspace.teacher
    except UserError as error:
        workspace.events.warn(f"the teacher is not in the table: {error.what}")
        return None
    if teacher is None:
        return None
    students = {kind: variant.found for kind, variant in variants.items()}
    draft = partial(write_draft, run)
    return compare_with_teacher(inputs, teacher, workspace.tokenised, students, folder, draft)


def _publish(
    folder: Path,
    run: RunDescription,
    made: Made,
    spec: ExportSpec,
    variants: Mapping[str, Variant],
    choice: Choice,
    comparison: list[dict[str, Any]] | None,
) -> None:
    """Write the bundle."""
    left_out = {kind: variant.found for kind, variant in variants.items() if kind not in choice.kept}
    summary = ExportSummary(
        left_out=left_out if spec.chosen_by else None,
        skipped=choice.skipped,
        prefer=spec.prefer,
        pruned_vocab=made.pruned,
        teacher_comparison=comparison,
    )
    sources = {kind: variants[kind].source() for kind in choice.kept}
    drift = made.evaluation.drift_reference(choice.default)
    write_run_bundle(run, made.encoder, folder, sources, choice.default, summary, drift)


def _problems(criteria: Criteria, choice: Choice, variants: Mapping[str, Variant]) -> list[str]:
    """What ends the export with exit code 3: no variant passes every gate, or the graph is not the model.

    Without gates every variant that the spec lists has to meet its tolerance.
    """
    failures = [
        f"{kind}: {failure}"
        for kind, variant in choice.candidates.items()
        for failure in variant.found.failures
    ]
    if not criteria.spec.chosen_by:
        return failures
    if not choice.passed:
        return ["no variant passes every gate", *failures]
    parity = variants["fp32"].found.parity
    return [f"fp32: {failure}" for failure in criteria.over_tolerance("fp32", parity)]


def _report(
    criteria: Criteria,
    made: Made,
    variants: Mapping[str, Variant],
    choice: Choice,
    comparison: list[dict[str, Any]] | None,
    problems: list[str],
) -> dict[str, Any]:
    """The content of export.json: every variant as it was measured, the chosen one, and what went wrong."""
    spec = criteria.spec
    return {
        "variants": {kind: variant.found.to_json() for kind, variant in variants.items()},
        "skipped": choice.skipped,
        "pruned_vocab": made.pruned,
        "ladder": comparison,
        "metric": criteria.metric,
        "default": choice.default,
        "prefer": spec.prefer if spec.chosen_by else None,
        "gates": spec.chosen_by.model_dump(mode="json") if spec.chosen_by else None,
        "problems": problems,
    }
