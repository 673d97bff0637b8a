"""What a base model that is at hand is worth for a spec: a probe on its frozen representations, and its latency."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ftcore.audit.texts import plain
from ftcore.data.features import FeatureStore
from ftcore.data.tables import Split
from ftcore.evaluation.evaluate import groups_of
from ftcore.evaluation.out_of_fold import out_of_fold
from ftcore.families.model import Model
from ftcore.families.reader import input_text
from ftcore.families.tuning import tuned
from ftcore.modeling.device import to_device, torch_device
from ftcore.modeling.shrinking import shrink
from ftcore.runs.base_checks import check_unknown
from ftcore.runs.parts import both, spaced
from ftcore.runs.scratch import scratch_workspace
from ftcore.runs.workspace import Workspace
from ftcore.spec import ResolvedSpec
from ftcore.training.head_start import inputs_of, last_linear
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.sequence_classification import SequenceClassificationDecoder

#: Rows of training and validation that are read at most.
MOST_ROWS = 2_000
_TIMED = 20  # texts
_WARM_UP = 3


@dataclass(frozen=True)
class Measured:
    """A base model on the rows of a spec.

    Args:
        parameters: of the model with its head.
        milliseconds: for one text, median; torch in float32, without the tokenizer.
        learning_rate: that the recipe would take.
        metric: as metrics.json has one, out of fold; None where the answers are no labels or numbers.
        seconds: that the measurement took.
    """

    parameters: int
    milliseconds: float
    learning_rate: float | None
    metric: Mapping[str, Any] | None
    seconds: float


def measure(resolved: ResolvedSpec, ref: str) -> Measured:
    """Read some rows with the frozen base once, and answer each by a regression that has not seen it.

    Args:
        resolved: the spec, whatever its own base is.
        ref: what opens the base.

    Raises:
        UserError: the base cannot be opened, is none for this task, has not what the spec keeps of it, or does not know
            most of the words.
    """
    begun = time.perf_counter()
    spec = resolved.spec
    other = spec.model_copy(update={"model": spec.model.model_copy(update={"base": ref})})
    with scratch_workspace(replace(resolved, spec=other)) as workspace:
        rows = spaced(both(workspace.splits), MOST_ROWS)
        features = workspace.features(rows)
        check_unknown(features, ref, lambda _: None)
        whole = workspace.family.model.build(workspace.base)
        kept = spec.model.keep_layers, spec.model.keep_intermediate
        model = shrink(whole, *kept).to(torch_device()).eval()
        return Measured(
            parameters=sum(one.numel() for one in model.parameters()),
            milliseconds=_latency(model, workspace.family.model, features),
            learning_rate=workspace.training.learning_rate,
            metric=_metric(workspace, model, rows, features),
            seconds=time.perf_counter() - begun,
        )


def _latency(model: torch.nn.Module, family: Model[Any, Any], features: FeatureStore) -> float:
    """Median milliseconds for one text, over texts of every length that rows have."""
    order = np.argsort(features.lengths, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, _TIMED).astype(int)]
    device, spent = torch_device(), []
    with torch.inference_mode():
        for index in [*chosen[:_WARM_UP], *chosen]:
            batch = to_device(features.batch(np.array([index])), device)
            before = time.perf_counter()
            outputs = family.outputs(model, batch)
            next(iter(outputs.values())).sum().item()  # a GPU is waited for
            spent.append(time.perf_counter() - before)
    return float(np.median(spent[_WARM_UP:])) * 1000


def _metric(
    workspace: Workspace, model: torch.nn.Module, rows: Split, features: FeatureStore
) -> Mapping[str, Any] | None:
    """The spec's own metric with its interval, out of fold."""
    family = workspace.family
    decoder, layer = make_decoder(family.scoring.decoder), last_linear(model)
    if not isinstance(decoder, SequenceClassificationDecoder) or layer is None:
        return None
    inputs = inputs_of(layer, model, family.model, features)
    if inputs is None:
        return None
    texts = [plain(input_text(one)) for one in family.reader.inputs(rows.table)]
    logits = out_of_fold(
        decoder.problem,
        inputs,
        features.column("labels"),
        features.column("weight"),
        np.unique(texts, return_inverse=True)[1][features.row],
        layer.out_features,
        workspace.spec.training.seed,
    )
    outputs = {"logits": logits.astype(np.float32)}
    answers = tuned(family, outputs, features, rows.table).scoring.answers(outputs, features, rows.table)
    found: Mapping[str, Any] = workspace.evaluator.metric(
        workspace.metric,
        family.reader.references(rows.table),
        answers,
        groups_of(family.reader, rows.table),
    )
    return found
