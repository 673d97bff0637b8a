"""Writes a bundle of a run's graphs, with everything that the run knows of them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ftcore.errors import UserError
from ftcore.evaluation.measurement import measurement_of
from ftcore.families.bound import BoundFamily
from ftcore.files import read_json
from ftcore.locate import is_local, locate
from ftcore.runs.bundle_metrics import for_bundle
from ftcore.runs.folder import RunFolder
from ftcore.runs.gates import Measured
from ftcore.runs.licences import licence_of
from ftcore.spec.sections import Spec
from ftcore_export.bundle_writer import TOKENIZER, BundleSource, VariantSource, write_bundle
from ftcore_export.sensitivity import Graphs
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.encoding import TARGET_TOKENIZER, TextEncoder
from ftcore_runtime.tables import FORMATS, TableOptions
from ftcore_runtime.training_source import TrainingSource

_GOLDEN_ROWS = 8


@dataclass(frozen=True)
class ExportSummary:
    """What a bundle says of its export besides its variants.

    Args:
        left_out: variants that were measured and are not in the bundle; None where no gates chose.
        skipped: variants that were not made -> why.
        prefer: `export.prefer`.
        pruned_vocab: what pruning changed, as JSON.
        teacher_comparison: its rows, as JSON.
    """

    left_out: Mapping[str, Measured] | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    prefer: str = ""
    pruned_vocab: Mapping[str, Any] | None = None
    teacher_comparison: Sequence[Mapping[str, Any]] | None = None

    def to_json(self) -> dict[str, Any]:
        """As the manifest's provenance has it."""
        content: dict[str, Any] = {}
        if self.left_out is not None:
            content["left_out"] = {kind: found.to_card() for kind, found in self.left_out.items()}
            content |= {"skipped": dict(self.skipped), "prefer": self.prefer}
        if self.pruned_vocab:
            content["pruned_vocab"] = self.pruned_vocab
        if self.teacher_comparison:
            content["ladder"] = self.teacher_comparison
        return content


@dataclass(frozen=True)
class RunDescription:
    """What a run's bundles say of it, whichever graphs they hold.

    Args:
        name, task, family: as run.json has them.
        decoder: its configuration, as JSON.
        metrics: of the fine-tuned model; empty where it was not evaluated.
        provenance: the run, its data, base model, licences and versions.
        golden: inputs whose answers the bundle keeps, for its self-test.
        source: how the training rows were written.
        measurement: how labelled rows are measured, as JSON.
    """

    name: str
    task: str
    family: str
    decoder: Mapping[str, Any]
    metrics: Mapping[str, Any]
    provenance: Mapping[str, Any]
    golden: Sequence[Any]
    source: TrainingSource
    measurement: Mapping[str, Any]


def describe_run(
    folder: RunFolder, spec: Spec, base_dir: Path, family: BoundFamily, metric: str, validation: pa.Table
) -> RunDescription:
    """Collect what the bundles of a run say of it.

    Args:
        base_dir: what relative paths of the spec start from.
        metric: the monitored one.
        validation: the rows that golden inputs are taken from.
    """
    record, measured, base = folder.record(), folder.metrics_file, spec.model.base
    provenance = {
        "run": folder.path.name,
        "base_model": base,
        "base_model_id": None if is_local(base, base_dir) else base,
        "licenses": _licences(spec, base_dir),
        **{key: record[key] for key in ("seed", "git_revision", "plugin", "versions", "data")},
        "metric": metric,
    }
    return RunDescription(
        name=record["name"],
        task=record["task"],
        family=record["family"],
        decoder=family.scoring.decoder,
        metrics=for_bundle(read_json(measured)) if measured.exists() else {},
        provenance=provenance,
        golden=family.reader.inputs(validation.slice(0, _GOLDEN_ROWS)),
        source=training_source(spec, family, record["data"]),
        measurement=measurement_of(family, metric),
    )


def training_source(
    spec: Spec, family: BoundFamily, fingerprints: Sequence[Mapping[str, Any]]
) -> TrainingSource:
    """How the training rows were written, as far as files to answer can be written alike."""
    source, fields = spec.data.train, make_decoder(family.scoring.decoder).fields
    columns = {field: name for field, name in family.reader.input_columns.items() if field in fields}
    form = next((one["kind"] for one in fingerprints if one["split"] == "train"), None)
    if form not in FORMATS.values():
        return TrainingSource(columns=columns)
    return TrainingSource(form, TableOptions(source.encoding, source.delimiter, source.quoting), columns)


def write_run_bundle(
    run: RunDescription,
    encoder: TextEncoder,
    folder: Path,
    variants: Mapping[str, VariantSource],
    default: str,
    summary: ExportSummary,
    reference: Mapping[str, Any] | None = None,
    *,
    draft: bool = False,
) -> Path:
    """Write variants of the run's model as a bundle.

    Args:
        encoder: what the graphs read with.
        default: the variant that answers unless another one is named.
        reference: histograms of the test rows, as JSON.
        draft: see `write_bundle`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer, target = Path(scratch) / TOKENIZER, None
        encoder.tokenizer.save(str(tokenizer))
        if encoder.target is not encoder:
            target = Path(scratch) / TARGET_TOKENIZER
            encoder.target.tokenizer.save(str(target))
        source = BundleSource(
            name=run.name,
            task=run.task,
            family=run.family,
            encoder_config=encoder.config,
            tokenizer_path=tokenizer,
            target_tokenizer_path=target,
            decoder=run.decoder,
            variants=variants,
            default_variant=default,
            metrics=run.metrics,
            provenance={**run.provenance, "export": summary.to_json()},
            golden=run.golden,
            reference=reference,
            training_source=run.source,
            measurement=run.measurement,
        )
        return write_bundle(folder, source, draft=draft)


def write_draft(run: RunDescription, encoder: TextEncoder, folder: Path, kind: str, graphs: Graphs) -> Path:
    """Write a bundle of one variant, to be measured."""
    variants = {kind: VariantSource(graphs)}
    return write_run_bundle(run, encoder, folder, variants, kind, ExportSummary(), draft=True)


def _licences(spec: Spec, base_dir: Path) -> dict[str, str | None]:
    folder = None
    if is_local(spec.model.base, base_dir):
        with suppress(UserError):  # gone since it was trained from: nothing is known of it then
            folder = locate(spec.model.base, base_dir)
    return {
        "base_model": licence_of(spec.model.base, folder, spec.model.license),
        "data": licence_of(spec.data.train.path, given=spec.data.license),
    }
