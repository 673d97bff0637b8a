"""A rehearsal of the evaluation before the first step of training."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from ftcore.data.features import FeatureStore
from ftcore.data.tables import Split
from ftcore.errors import UserError
from ftcore.evaluation.predict import predict
from ftcore.evaluation.slices import check_slices
from ftcore.families.scoring import SupportsPolicy
from ftcore.runs.base_checks import check_batch_mates
from ftcore.runs.evaluation_inputs import EvaluationInputs
from ftcore.spec.sections import Spec
from ftcore_runtime.encoding import TextEncoder

_REHEARSED = 8  # rows


def rehearse(
    model: torch.nn.Module, inputs: EvaluationInputs, encoder: TextEncoder, spec: Spec, held_out: Split
) -> None:
    """Evaluate the untrained model on a few rows: what would fail after an hour of training fails now.

    Args:
        held_out: the rows that thresholds and the policy are chosen on.

    Raises:
        UserError: no metric of this task has a name that the spec gives, or the rows are too few for its policy.
        ModelError: an answer depends on the others of its batch.
    """
    family, rows = inputs.family, inputs.splits["validation"].table.slice(0, _REHEARSED)
    check_slices(family, inputs.splits.test)
    if isinstance(family.scoring, SupportsPolicy):
        family.scoring.check_policy(held_out.table.num_rows)
    with tempfile.TemporaryDirectory() as scratch:
        features = FeatureStore.build(rows, family.model, encoder, Path(scratch) / "features.arrow")
        answers = family.scoring.answers(predict(model, family, features, len(rows)), features, rows)
    check_batch_mates(model, family, rows, encoder, spec.model.base)
    known = inputs.evaluator.values(family.reader.references(rows), answers)
    gates = spec.export.chosen_by
    wanted = {
        "evaluation.metric": [inputs.metric],
        "export.gates.min_metric": gates.min_metric if gates else [],
    }
    for where, names in wanted.items():
        for name in names:
            if name not in known:
                raise UserError(f"no metric {name!r}; this task has {', '.join(sorted(known))}", where=where)
