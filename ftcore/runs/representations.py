"""Where the training rows lie in the space of a fine-tuned model, for the families that go by it."""

from __future__ import annotations

import torch

from ftcore.evaluation.predict import predict
from ftcore.families.bound import BoundFamily
from ftcore.families.scoring import Frozen, SupportsRepresentations
from ftcore.modeling.device import torch_device
from ftcore.runs.parts import spaced
from ftcore.runs.workspace import Workspace
from ftcore.training.head_start import read_rows

#: Training rows that are read at most: by the fine-tuned model, and by the base model.
MOST_ROWS, MOST_FROZEN = 10_000, 2_000


def with_representations(workspace: Workspace, model: torch.nn.Module) -> BoundFamily:
    """The family with what it asks of the training rows; the family itself where it asks nothing.

    Args:
        model: fine-tuned, on its device.
    """
    family = workspace.family
    scoring = family.scoring
    if not isinstance(scoring, SupportsRepresentations):
        return family
    train = workspace.splits.train
    rows = spaced(train, MOST_ROWS)
    features = workspace.features(rows)
    outputs = predict(model, family, features, workspace.evaluation_inputs.batch_size)

    def frozen() -> Frozen | None:
        base = family.model.build(workspace.base).to(torch_device())
        read = read_rows(base, family.model, workspace.features(spaced(train, MOST_FROZEN)))
        return None if read is None else (read.inputs, read.targets, read.weights)

    validation = workspace.splits.validation.table
    return family.with_fitted(scoring.represent(outputs, features, rows.table, validation, frozen))
