"""From the fine-tuned model to a bundle whose every variant was measured, and whose default one was chosen."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ftcore.errors import UserError
from ftcore.files import read_json, write_json
from ftcore.locate import is_local, locate
from ftcore.runs.bench import Bench
from ftcore.runs.bundle_metrics import for_bundle
from ftcore.runs.gates import Measured, check, choose, drop
from ftcore.runs.ladder import climb
from ftcore.runs.licences import licence_of
from ftcore.runs.pruning import prune_vocabulary
from ftcore.runs.workspace import Workspace
from ftcore.spec.export import GatesSpec
from ftcore_export.bundle_writer import TOKENIZER, VariantSource, write_bundle
from ftcore_export.onnx_graph import export_graph
from ftcore_export.parity import Parity
from ftcore_export.sensitivity import Graphs
from ftcore_export.variants import KINDS, LEFT_OUT
from ftcore_runtime.encoding import TARGET_TOKENIZER, TextEncoder
from ftcore_runtime.publishing import temporary_folder

_GOLDEN_ROWS = 8
_AUTO = ("fp32", "int8", "int8_tensor", "weights8")
_AUTO_WRITTEN = (*_AUTO, "weights4")  # one token at a time waits for the weights, not for the products


def export_bundle(workspace: Workspace) -> list[str]:
    """Write `bundle/` and `export.json`.

    Returns:
        what is over its tolerance or fails its gates, a sentence each; empty where all is well.
    """
    return _Export(workspace).run()


class _Export:
    """One export: `graphs` and `found` are filled variant by variant."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.spec = workspace.spec.export
        self.gates = self.spec.chosen_by
        self.graphs: dict[str, Graphs] = {}
        self.found: dict[str, Measured] = {}
        self.skipped: dict[str, str] = {}
        self.encoder = workspace.encoder
        self.pruned: dict[str, Any] | None = None

    def run(self) -> list[str]:
        workspace = self.workspace
        model = workspace.fine_tuned()
        if self.spec.prune_vocab:
            self.encoder, self.pruned = prune_vocabulary(workspace, model, self.spec.prune_vocab)
            workspace.events.emit("vocabulary_pruned", **self.pruned)
        with temporary_folder(workspace.folder.path, "export") as scratch:
            model.to("cpu")  # graphs are traced there
            base = {
                graph.name: export_graph(graph, scratch / f"{graph.name}.onnx")
                for graph in workspace.family.export.graphs(model, self.encoder)
            }
            bench = Bench(workspace, model, self.encoder, scratch, self._draft)
            del model  # what is measured from here on has the memory to itself
            auto = self.spec.variants == "auto"
            listed = list((_AUTO_WRITTEN if "decoder" in base else _AUTO) if auto else self.spec.variants)
            # fp32 is what the others are held against, whether or not the bundle is to have it.
            others = [kind for kind in listed if kind not in ("fp32", "int8_mixed")]
            first = ["fp32"] if self.gates or {"fp32", "int8_mixed"} & {*listed} else []
            for kind in first + others:
                made = {r: KINDS[kind](p, scratch / f"{r}.{kind}.onnx") for r, p in base.items()}
                self._measure(bench, kind, made)
            if "int8_mixed" in listed or (auto and self._misses_budget("int8")):
                self._mix(bench, base)
            if auto:
                self.skipped = dict(LEFT_OUT)
                if "int8_mixed" not in self.found:
                    self.skipped["int8_mixed"] = "int8 keeps to its metric budget as it is"
            pool = self.found if auto else {kind: self.found[kind] for kind in listed}
            chosen = choose(pool, self.spec.prefer) if self.gates else next(iter(pool))
            default = chosen or ("fp32" if "fp32" in pool else next(iter(pool)))
            kept = [kind for kind in pool if not auto or kind in ("fp32", default)]
            export = {"left_out": self._left_out(kept), "skipped": self.skipped, "prefer": self.spec.prefer}
            sources = {kind: self._source(kind) for kind in kept}
            ladder = self._ladder(scratch)
            told = {
                **(export if self.gates else {}),
                **({"pruned_vocab": self.pruned} if self.pruned else {}),
                **({"ladder": ladder} if ladder else {}),
            }
            drift = bench.drift_reference(default)
            _write(workspace, self.encoder, workspace.folder.bundle, sources, default, told, drift)
        problems = self._problems(pool, chosen)
        write_json(
            workspace.folder.export_file,
            {
                "variants": {kind: found.to_json() for kind, found in self.found.items()},
                "skipped": self.skipped,
                "pruned_vocab": self.pruned,
                "ladder": ladder,
                "metric": workspace.metric,
                "default": default,
                "prefer": self.spec.prefer if self.gates else None,
                "gates": self.gates.model_dump(mode="json") if self.gates else None,
                "problems": problems,
            },
        )
        return problems

    def _measure(
        self, bench: Bench, kind: str, graphs: Graphs, note: Mapping[str, Any] | None = None
    ) -> None:
        found = bench.measure(kind, graphs, note or {})
        failures = over_tolerance(self.workspace, kind, found.parity)
        if self.gates:
            scoring, metric = self.workspace.family.scoring, self.workspace.metric
            failures += check(
                self.gates,
                found,
                metric=metric,
                dropped=self._dropped(_value(found, metric)) if kind != "fp32" else 0.0,
                higher_is_better=scoring.higher_is_better,
            )
        self.graphs[kind] = graphs
        self.found[kind] = dataclasses.replace(found, failures=tuple(failures))
        self.workspace.events.emit("variant_exported", variant=kind, **self.found[kind].to_json())

    def _dropped(self, value: float) -> float:
        """Points of the task's metric on validation that `value` lies below fp32's."""
        scoring, metric = self.workspace.family.scoring, self.workspace.metric
        return drop(
            metric,
            _value(self.found["fp32"], metric),
            value,
            higher_is_better=scoring.higher_is_better(metric),
            point=scoring.point(metric),
        )

    @property
    def _budget(self) -> float | None:
        return (self.gates or GatesSpec()).max_metric_drop

    def _misses_budget(self, kind: str) -> bool:
        dropped = self._dropped(_value(self.found[kind], self.workspace.metric))
        return self._budget is not None and not dropped <= self._budget

    def _mix(self, bench: Bench, base: Graphs) -> None:
        budget = 0.0 if self._budget is None else self._budget
        graphs, kept = bench.operators_to_keep(base, lambda value: self._dropped(value) <= budget)
        self._measure(bench, "int8_mixed", graphs, {"kept_in_float": kept})

    def _problems(self, pool: Mapping[str, Measured], chosen: str | None) -> list[str]:
        """What ends the export with exit code 3: no variant passes every gate, or the graph is not the model.

        Without gates every variant that was asked for has to meet its tolerance.
        """
        told = [f"{kind}: {failure}" for kind, found in pool.items() for failure in found.failures]
        if not self.gates:
            return told
        if chosen is None:
            return ["no variant passes every gate", *told]
        parity = self.found["fp32"].parity
        return [f"fp32: {failure}" for failure in over_tolerance(self.workspace, "fp32", parity)]

    def _ladder(self, scratch: Path) -> list[dict[str, Any]] | None:
        """Teacher and students in one table; None without a teacher, or where it is gone since the training."""
        try:
            teacher = self.workspace.teacher
        except UserError as error:
            self.workspace.events.emit("warning", message=f"the teacher is not in the table: {error.what}")
            return None
        if teacher is None:
            return None

        def draft(encoder: TextEncoder, folder: Path, graphs: Graphs) -> Path:
            return _write(self.workspace, encoder, folder, {"fp32": VariantSource(graphs)}, "fp32", {})

        return climb(self.workspace, teacher, self.found, scratch, draft)

    def _draft(self, folder: Path, kind: str, graphs: Graphs) -> Path:
        return _write(self.workspace, self.encoder, folder, {kind: VariantSource(graphs)}, kind, {})

    def _source(self, kind: str) -> VariantSource:
        found = self.found[kind]
        return VariantSource(
            self.graphs[kind],
            found.test,
            found.parity.summary(),
            speed=found.speed.to_json(),
            batch_invariant=found.invariance.holds,
            failures=found.failures,
        )

    def _left_out(self, kept: Collection[str]) -> dict[str, Any]:
        """What the model card says of variants that were measured and are not in the bundle."""
        return {
            kind: {
                "metrics": found.test,
                "parity": found.parity.summary(),
                "bytes": found.bytes,
                "batch_invariant": found.invariance.holds,
                "speed": found.speed.to_json(),
                "failures": list(found.failures),
            }
            for kind, found in self.found.items()
            if kind not in kept
        }


def _value(found: Measured, metric: str) -> float:
    value: float = found.validation["metrics"][metric]["value"]
    return value


def _licences(workspace: Workspace) -> dict[str, str | None]:
    spec, folder = workspace.spec, None
    if is_local(spec.model.base, workspace.base_dir):
        with suppress(UserError):  # gone since it was trained from: nothing is known of it then
            folder = locate(spec.model.base, workspace.base_dir)
    return {
        "base_model": licence_of(spec.model.base, folder, spec.model.license),
        "data": licence_of(spec.data.train.path, given=spec.data.license),
    }


def _write(
    workspace: Workspace,
    encoder: TextEncoder,
    folder: Path,
    variants: Mapping[str, VariantSource],
    default: str,
    export: Mapping[str, Any],
    reference: Mapping[str, Any] | None = None,
) -> Path:
    record = workspace.folder.record()
    family, spec = workspace.family, workspace.spec
    measured = workspace.folder.metrics_file
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer, target = Path(scratch) / TOKENIZER, None
        encoder.tokenizer.save(str(tokenizer))
        if encoder.target is not encoder:
            target = Path(scratch) / TARGET_TOKENIZER
            encoder.target.tokenizer.save(str(target))
        return write_bundle(
            folder,
            name=record["name"],
            task=record["task"],
            family=record["family"],
            encoder_config=encoder.config,
            tokenizer_path=tokenizer,
            target_tokenizer_path=target,
            decoder=family.scoring.decoder,
            variants=variants,
            default_variant=default,
            metrics=for_bundle(read_json(measured)) if measured.exists() else {},
            provenance={
                "run": workspace.folder.path.name,
                "base_model": spec.model.base,
                "base_model_id": None if is_local(spec.model.base, workspace.base_dir) else spec.model.base,
                "licenses": _licences(workspace),
                "seed": record["seed"],
                "git_revision": record["git_revision"],
                "plugin": record["plugin"],
                "versions": record["versions"],
                "data": record["data"],
                "metric": workspace.metric,
                "export": export,
            },
            golden=family.reader.inputs(workspace.splits.validation.table.slice(0, _GOLDEN_ROWS)),
            reference=reference,
        )


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
