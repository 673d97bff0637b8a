"""Writes a bundle folder: whole and verified under its name, or not there at all."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ftcore_export import model_card as cards
from ftcore_runtime.bundle import Bundle
from ftcore_runtime.decoders import provider_of
from ftcore_runtime.encoding import TARGET_TOKENIZER, EncoderConfig
from ftcore_runtime.errors import BundleError
from ftcore_runtime.files import sha256
from ftcore_runtime.golden import GOLDEN_CANDIDATES, Golden
from ftcore_runtime.inputs import Input
from ftcore_runtime.manifest import MANIFEST, MODEL_CARD, FileEntry, Manifest, Variant
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.publishing import publishing
from ftcore_runtime.training_source import TrainingSource

TOKENIZER = "tokenizer.json"
GOLDEN = "golden.json"
_LABELS = 100  # up to which a golden answer has the probabilities of all


@dataclass(frozen=True)
class VariantSource:
    """What goes into one variant.

    Args:
        graphs: role (`model`) -> ONNX file.
        metrics, parity, speed: JSON for the manifest.
        batch_invariant: whether answers were found to be the same in any batch; None where nobody looked.
        failures: gates and tolerances that it does not meet.
        decoder: settings of the decoder that it has of its own.
    """

    graphs: Mapping[str, Path]
    metrics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    parity: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    speed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    batch_invariant: bool | None = None
    failures: Sequence[str] = ()
    decoder: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class BundleSource:
    """What a bundle is made of.

    Args:
        tokenizer_path: a `tokenizer.json`.
        decoder: what `make_decoder` reads.
        metrics: of the run, laid out like its metrics.json, where the model card finds them.
        provenance: JSON; the model card shows what is text or a number at its top level.
        golden: inputs that every variant answers now and that `Pipeline.selftest` replays later.
        reference: JSON of the evaluation's histograms (`Reference`).
        model_card: Markdown of README.md; written from the manifest unless given.
        created: with a time zone; now unless given.
        target_tokenizer_path: that of the answers, where they are generated with another one.
        training_source: how the training rows were written.
        measurement: JSON of how labelled rows are measured.
    """

    name: str
    task: str
    family: str
    encoder_config: EncoderConfig
    tokenizer_path: str | Path
    decoder: Mapping[str, Any]
    variants: Mapping[str, VariantSource]
    default_variant: str
    metrics: Mapping[str, Any]
    provenance: Mapping[str, Any]
    golden: Sequence[Input]
    reference: Mapping[str, Any] | None = None
    model_card: str | None = None
    created: datetime | None = None
    target_tokenizer_path: str | Path | None = None
    training_source: TrainingSource | None = None
    measurement: Mapping[str, Any] | None = None


def write_bundle(folder: str | Path, source: BundleSource, *, draft: bool = False) -> Path:
    """Write the bundle, verify and self-test it, then put it under `folder`, replacing an earlier bundle.

    Equal sources, `created` among them, give equal bytes.

    Args:
        folder: the bundle's; its parent exists.
        draft: for one that is opened and measured right away, and then thrown away: without golden examples, and
            not tested.

    Raises:
        BundleError: `folder` is there and no bundle, or the parts make none that loads and answers.
    """
    folder = Path(folder)
    if folder.is_symlink() or (folder.exists() and not _replaceable(folder)):
        raise BundleError("is there already and is no bundle", where=str(folder), hint="give another folder")
    if source.default_variant not in source.variants:
        raise BundleError(
            f"there is no variant {source.default_variant!r}",
            where=str(folder),
            hint=f"it has {', '.join(source.variants)}",
        )
    with publishing(folder) as scratch:
        scratch.mkdir()
        shutil.copyfile(source.tokenizer_path, scratch / TOKENIZER)
        if source.target_tokenizer_path is not None:
            shutil.copyfile(source.target_tokenizer_path, scratch / TARGET_TOKENIZER)
        manifest = Manifest(
            name=source.name,
            task=source.task,
            family=source.family,
            created=(source.created or datetime.now(UTC)).isoformat(timespec="seconds"),
            encoder=source.encoder_config,
            tokenizer=TOKENIZER,
            decoder=source.decoder,
            variants={key: _copy_graphs(scratch, key, one) for key, one in source.variants.items()},
            default_variant=source.default_variant,
            metrics=source.metrics,
            provenance=source.provenance,
            golden=GOLDEN,
            files={},
            reference=source.reference,
            target_tokenizer=None if source.target_tokenizer_path is None else TARGET_TOKENIZER,
            provider=provider_of(source.decoder["name"]),
            source=source.training_source,
            measurement=source.measurement,
        )
        golden = () if draft else source.golden
        answers = {key: _answers(scratch, manifest, key, golden) for key in source.variants if golden}
        _write_json(scratch / GOLDEN, Golden(golden, answers).to_json())
        card = source.model_card or cards.model_card(manifest)
        (scratch / MODEL_CARD).write_text(card, encoding="utf-8")
        files = {path.name: _entry(path) for path in sorted(scratch.iterdir())}
        _write_json(scratch / MANIFEST, dataclasses.replace(manifest, files=files).to_json())
        for key in () if draft else source.variants:
            Pipeline.load(scratch, key).selftest()
    return folder


def _replaceable(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))


def _copy_graphs(folder: Path, variant: str, source: VariantSource) -> Variant:
    names = {role: f"{role}.{variant}.onnx" for role in source.graphs}
    for role, path in source.graphs.items():
        shutil.copyfile(path, folder / names[role])
    size = sum((folder / name).stat().st_size for name in names.values())
    return Variant(
        names,
        source.metrics,
        source.parity,
        size,
        source.speed,
        source.batch_invariant,
        tuple(source.failures),
        source.decoder,
    )


def _answers(folder: Path, manifest: Manifest, variant: str, golden: Sequence[Input]) -> list[dict[str, Any]]:
    """What this variant answers, input by input, through the very runtime that will serve it."""
    names = (*manifest.tokenizers, *manifest.variants[variant].graphs.values())
    contents = {name: (folder / name).read_bytes() for name in names}
    pipeline = Pipeline(Bundle(folder, manifest, {**contents, manifest.golden: b""}), variant)
    top_k = max(GOLDEN_CANDIDATES, len(pipeline.labels) if len(pipeline.labels) <= _LABELS else 0)
    return [pipeline.predict([item], top_k=top_k)[0].to_json() for item in golden]


def _entry(path: Path) -> FileEntry:
    return FileEntry(sha256(path), path.stat().st_size)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
