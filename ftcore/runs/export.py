"""From the fine-tuned model to a bundle: make its graphs, measure every variant, choose, publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ftcore.errors import UserError
from ftcore.files import write_json
from ftcore.runs.gates import Measured, check, choose, drop
from ftcore.runs.pruning import prune_vocabulary
from ftcore.runs.run_bundle import ExportSummary, write_draft, write_run_bundle
from ftcore.runs.teacher_comparison import compare_with_teacher
from ftcore.runs.variant_evaluation import VariantEvaluation
from ftcore.runs.workspace import Workspace
from ftcore.spec.export import ExportSpec, GatesSpec
from ftcore_export.bundle_writer import VariantSource
from ftcore_export.onnx_graph import export_graph
from ftcore_export.parity import Parity
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
    with temporary_folder(workspace.folder.path, "export") as folder:
        made = _make(workspace, folder)
        variants = _measure_all(workspace, made)
        choice = _choose(workspace.spec.export, variants)
        comparison = _teacher_comparison(workspace, variants, folder)
        _publish(workspace, made, variants, choice, comparison)
    problems = _problems(workspace, choice, variants)
    _write_report(workspace, made, variants, choice, comparison, problems)
    return problems


def _make(workspace: Workspace, folder: Path) -> Made:
    """Prune the vocabulary if asked to, trace the graphs, and take down what torch answers."""
    model, encoder, pruned = workspace.fine_tuned(), workspace.encoder, None
    if workspace.spec.export.prune_vocab:
        encoder, pruned = prune_vocabulary(workspace, model, workspace.spec.export.prune_vocab)
        workspace.events.emit("vocabulary_pruned", **pruned)
    model.to("cpu")  # graphs are traced there
    graphs = {
        graph.name: export_graph(graph, folder / f"{graph.name}.onnx")
        for graph in workspace.family.export.graphs(model, encoder)
    }
    # The model ends with this function: what is measured after it has the memory to itself.
    evaluation = VariantEvaluation(
        workspace, model, encoder, folder, partial(write_draft, workspace, encoder)
    )
    return Made(folder, graphs, encoder, pruned, evaluation)


def _measure_all(workspace: Workspace, made: Made) -> dict[str, Variant]:
    """Make and measure every variant that the spec lists, or that `auto` stands for."""
    spec = workspace.spec.export
    variants: dict[str, Variant] = {}
    for kind in _kinds(spec, made.graphs):
        graphs = {
            role: KINDS[kind](path, made.folder / f"{role}.{kind}.onnx") for role, path in made.graphs.items()
        }
        variants[kind] = _measure(workspace, made, kind, graphs, variants)
    if _mixed_is_due(workspace, variants):
        budget = _budget(spec)
        graphs, kept = made.evaluation.operators_to_keep(
            made.graphs, lambda value: _dropped(workspace, variants, value) <= (budget or 0.0)
        )
        note = {"kept_in_float": kept}
        variants["int8_mixed"] = _measure(workspace, made, "int8_mixed", graphs, variants, note)
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


def _mixed_is_due(workspace: Workspace, variants: Mapping[str, Variant]) -> bool:
    """Whether some operators of int8 are to stay in float: it is listed, or `auto` finds that int8 loses too much."""
    spec = workspace.spec.export
    if spec.variants != "auto":
        return "int8_mixed" in spec.variants
    budget, value = _budget(spec), _value(variants["int8"].found, workspace.metric)
    return budget is not None and not _dropped(workspace, variants, value) <= budget


def _budget(spec: ExportSpec) -> float | None:
    return (spec.chosen_by or GatesSpec()).max_metric_drop


def _measure(
    workspace: Workspace,
    made: Made,
    kind: str,
    graphs: Graphs,
    before: Mapping[str, Variant],
    note: Mapping[str, Any] | None = None,
) -> Variant:
    """Measure one variant, and say what it does not meet; `before` has fp32 where gates want it."""
    found = made.evaluation.measure(kind, graphs, note or {})
    failures = over_tolerance(workspace, kind, found.parity)
    if gates := workspace.spec.export.chosen_by:
        metric = workspace.metric
        dropped = _dropped(workspace, before, _value(found, metric)) if kind != "fp32" else 0.0
        higher_is_better = workspace.family.scoring.higher_is_better
        failures += check(gates, found, metric=metric, dropped=dropped, higher_is_better=higher_is_better)
    found = replace(found, failures=tuple(failures))
    workspace.events.emit("variant_exported", variant=kind, **found.to_json())
    return Variant(graphs, found)


def _dropped(workspace: Workspace, variants: Mapping[str, Variant], value: float) -> float:
    """Points of the task's metric on validation that `value` lies below fp32's."""
    scoring, metric = workspace.family.scoring, workspace.metric
    return drop(
        metric,
        _value(variants["fp32"].found, metric),
        value,
        higher_is_better=scoring.higher_is_better(metric),
        point=scoring.point(metric),
    )


def _value(found: Measured, metric: str) -> float:
    value: float = found.validation["metrics"][metric]["value"]
    return value


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
    workspace: Workspace, variants: Mapping[str, Variant], folder: Path
) -> list[dict[str, Any]] | None:
    """Teacher and students in one table; None without a teacher, or where it is gone since the training."""
    try:
        teacher = workspace.teacher
    except UserError as error:
        workspace.events.emit("warning", message=f"the teacher is not in the table: {error.what}")
        return None
    if teacher is None:
        return None
    students = {kind: variant.found for kind, variant in variants.items()}
    return compare_with_teacher(workspace, teacher, students, folder, partial(write_draft, workspace))


def _publish(
    workspace: Workspace,
    made: Made,
    variants: Mapping[str, Variant],
    choice: Choice,
    comparison: list[dict[str, Any]] | None,
) -> None:
    """Write the bundle."""
    spec = workspace.spec.export
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
    bundle = workspace.folder.bundle
    write_run_bundle(workspace, made.encoder, bundle, sources, choice.default, summary, drift)


def _problems(workspace: Workspace, choice: Choice, variants: Mapping[str, Variant]) -> list[str]:
    """What ends the export with exit code 3: no variant passes every gate, or the graph is not the model.

    Without gates every variant that was asked for has to meet its tolerance.
    """
    failures = [
        f"{kind}: {failure}"
        for kind, variant in choice.candidates.items()
        for failure in variant.found.failures
    ]
    if not workspace.spec.export.chosen_by:
        return failures
    if not choice.passed:
        return ["no variant passes every gate", *failures]
    parity = variants["fp32"].found.parity
    return [f"fp32: {failure}" for failure in over_tolerance(workspace, "fp32", parity)]


def over_tolerance(workspace: Workspace, kind: str, parity: Parity) -> list[str]:
    """What of `export.tolerance` a variant does not meet, a sentence each."""
    tolerance = workspace.spec.export.tolerance
    allowed = tolerance.flips if kind == "fp32" else tolerance.int8_flips
    failures = []
    if kind == "fp32" and not parity.max_abs_diff <= tolerance.logits:
        failures.append(
            f"outputs differ from torch by {parity.max_abs_diff:.3g}; allowed: {tolerance.logits:g}"
        )
    if parity.flip_share > allowed:
        failures.append(
            f"{len(parity.flips)} of {parity.rows} answers flip ({parity.flip_share:.1%}); allowed: {allowed:.1%}"
        )
    return failures


def _write_report(
    workspace: Workspace,
    made: Made,
    variants: Mapping[str, Variant],
    choice: Choice,
    comparison: list[dict[str, Any]] | None,
    problems: list[str],
) -> None:
    """export.json: every variant as it was measured, the chosen one, and what went wrong."""
    spec = workspace.spec.export
    write_json(
        workspace.folder.export_file,
        {
            "variants": {kind: variant.found.to_json() for kind, variant in variants.items()},
            "skipped": choice.skipped,
            "pruned_vocab": made.pruned,
            "ladder": comparison,
            "metric": workspace.metric,
            "default": choice.default,
            "prefer": spec.prefer if spec.chosen_by else None,
            "gates": spec.chosen_by.model_dump(mode="json") if spec.chosen_by else None,
            "problems": problems,
        },
    )
