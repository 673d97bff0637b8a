"""One split measured, and what is written of it: its section of metrics.json, predictions, confused classes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from ftcore.data.features import FeatureStore
from ftcore.data.perturbation import Perturb
from ftcore.data.tables import Split
from ftcore.evaluation.evaluate import Array, Evaluation, groups_of, prediction_lines
from ftcore.evaluation.invariance import measure_invariance
from ftcore.evaluation.policies import measure_policy, notes_of, without_policy
from ftcore.evaluation.predict import predict
from ftcore.evaluation.slices import measure_slices, members_of
from ftcore.families.scoring import SupportsSamples
from ftcore.files import write_atomic
from ftcore.modeling.base_model import BaseModel
from ftcore.modeling.device import torch_device
from ftcore.runs.evaluation_inputs import EvaluationInputs, FeaturesOf, HeldOut
from ftcore.runs.folder import RunFolder
from ftcore.runs.techniques import answer_by_names
from ftcore_runtime.answers import to_jsonl
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.encoding import TextEncoder

_CELLS = "confusion_cells"  # as many as rows at most: they have a file of their own


@dataclass(frozen=True)
class SplitEvaluation:
    """The answers to the rows of one split, measured.

    Args:
        held_out: the rows, and the outputs that were decoded.
        found: answers, and what they are worth.
        groups: of the rows; see `groups_of`.
        members: the rows of each slice; see `members_of`.
    """

    held_out: HeldOut
    found: Evaluation
    groups: Array | None
    members: Mapping[str, Array] | None


def predict_split(
    inputs: EvaluationInputs, model: torch.nn.Module, rows: Split, features_of: FeaturesOf
) -> HeldOut:
    """What a model makes of the rows of a split."""
    features = features_of(rows)
    return HeldOut(rows, features, predict(model, inputs.family, features, inputs.batch_size))


def measure_split(inputs: EvaluationInputs, held_out: HeldOut) -> SplitEvaluation:
    """Decode the outputs, and measure the answers."""
    reader, rows = inputs.family.reader, held_out.rows
    groups = groups_of(reader, rows.table)
    answers = inputs.family.scoring.answers(held_out.outputs, held_out.features, rows.table)
    found = inputs.evaluator.measure(reader.references(rows.table), answers, groups)
    members = members_of(inputs.family.spec.slices, reader, rows)
    return SplitEvaluation(held_out, found, groups, members)


def write_split(folder: RunFolder, name: str, inputs: EvaluationInputs, split: SplitEvaluation) -> None:
    """Write the predictions of a split, and which classes were confused where the family has classes."""
    if cells := split.found.scores.details.get(_CELLS):
        write_atomic(folder.path / f"confusion.{name}.jsonl", to_jsonl(cells))
    lines = prediction_lines(inputs.family.reader, split.held_out.rows, split.found, split.members)
    write_atomic(folder.predictions(name), to_jsonl(lines))


def section_of(inputs: EvaluationInputs, split: SplitEvaluation, *, final: bool) -> dict[str, Any]:
    """The section of metrics.json: metrics and details, and samples where the family has any.

    Args:
        final: of rows that nothing was chosen on: what the policy is worth there, and each slice, too.
    """
    section = {key: value for key, value in split.found.to_json().items() if key != _CELLS}
    if final and (policy := _policy(inputs, split, section["metrics"])):
        section["policy"] = policy
    if split.held_out.how is not None:
        section["how"] = split.held_out.how
    if isinstance(scoring := inputs.family.scoring, SupportsSamples):
        section["samples"] = scoring.samples(split.held_out.rows.table, split.found.answers)
    if final and split.members is not None:
        section["slices"] = measure_slices(
            inputs.evaluator, inputs.metric, split.members, split.found, split.groups
        )
    return section


def _policy(inputs: EvaluationInputs, split: SplitEvaluation, measured: Mapping[str, Any]) -> dict[str, Any]:
    """What the policy is worth; empty where nothing was asked and nothing chosen."""
    given, found, scoring = split.held_out, split.found, inputs.family.scoring
    decoder, plain = make_decoder(scoring.decoder), []
    if decoder.policy.temperature != 1:
        without = without_policy(inputs.family).scoring
        plain = without.answers(given.outputs, given.features, given.rows.table)
    notes = notes_of(scoring)
    return measure_policy(
        inputs.evaluator, decoder, found.references, found.answers, measured, plain, split.groups, notes
    )


def invariance_of(
    inputs: EvaluationInputs,
    split: SplitEvaluation,
    changes: Mapping[str, tuple[Perturb, float]],
    model: torch.nn.Module,
    encoder: TextEncoder,
) -> list[dict[str, Any]]:
    """How many answers stay under each change of the texts; see `measure_invariance`."""
    family = inputs.family

    def answer(rows: pa.Table) -> Sequence[Any]:
        with tempfile.TemporaryDirectory() as folder:
            features = FeatureStore.build(rows, family.model, encoder, Path(folder) / "features.arrow")
            outputs = predict(model, family, features, inputs.batch_size)
            return family.scoring.answers(outputs, features, rows)

    answers, confidence = split.found.answers, inputs.evaluator.confidence
    return measure_invariance(changes, family.reader, split.held_out.rows, answers, answer, confidence)


def measure_zero_shot(
    inputs: EvaluationInputs, split: SplitEvaluation, base: BaseModel, encoder: TextEncoder
) -> dict[str, Any]:
    """Metrics of the base model as it is on the rows of a split, and the gain of the fine-tuned answers over it."""
    family, evaluator, given = inputs.family, inputs.evaluator, split.held_out
    model = family.model.build(base).to(torch_device())
    answer_by_names(model, family.model, base, encoder)
    outputs = predict(model, family, given.features, inputs.batch_size)
    answers = family.scoring.answers(outputs, given.features, given.rows.table)
    references = family.reader.references(given.rows.table)
    found = evaluator.measure(references, answers, split.groups)
    gain = evaluator.gain(references, answers, split.found.answers, split.groups)
    return {"metrics": found.to_json()["metrics"], "gain": gain}
