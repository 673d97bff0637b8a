"""The spec's techniques: what they change of model and features before training, and of the model after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ftcore.data.augmentation import AugmentedFeatures
from ftcore.data.features import FeatureStore, TrainingFeatures
from ftcore.errors import UserError
from ftcore.families.bound import BoundFamily
from ftcore.families.model import Model
from ftcore.families.recipe import Named, Probed
from ftcore.modeling.base_model import BaseModel
from ftcore.modeling.device import torch_device
from ftcore.modeling.lora import add_lora, merge_lora, trained_weights
from ftcore.modeling.shrinking import shrink
from ftcore.runs.cache import cache_dir
from ftcore.spec.sections import ModelSpec, Spec
from ftcore.spec.training import TrainingSpec
from ftcore.training.distillation import TaughtFeatures
from ftcore.training.freezing import Freezing
from ftcore.training.frozen_trunk import trunk_runs_once
from ftcore.training.head_start import head_from_texts, start_head
from ftcore.training.precision import autocast, choose_precision
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.encoding import TextEncoder

#: Says something to the user.
Warn = Callable[[str], None]

_IDLE = 0.1  # share of the rows that an augmentation cannot change, from which on it is said


def model_to_train(family: BoundFamily, base: BaseModel, spec: Spec, warn: Warn) -> torch.nn.Module:
    """The family's model, with low-rank updates where the spec has `model.lora`.

    Raises:
        UserError: it has, and the model is to be sharded; or what the spec leaves out of it cannot be left out.
    """
    if spec.model.lora and spec.training.distributed == "fsdp":
        raise UserError(
            "low-rank updates cannot be merged into a model in slices",
            where="training.distributed",
            hint="leave `model.lora` out, or use `ddp`",
        )
    model = _built(family, base, spec.model, warn)
    if spec.model.lora:
        add_lora(model, spec.model.lora, spec.model.quantize_base)
    return model


def _built(family: BoundFamily, base: BaseModel, spec: ModelSpec, warn: Warn) -> torch.nn.Module:
    """The base model with the family's head, as large as the spec keeps it."""
    model = family.model.build(base)
    for note in base.notes:
        warn(note)
    base.notes.clear()
    return shrink(model, spec.keep_layers, spec.keep_intermediate)


def model_to_keep(
    model: torch.nn.Module, family: BoundFamily, base: BaseModel, spec: Spec, warn: Warn
) -> Any:  # noqa: ANN401 (a PreTrainedModel)
    """The fine-tuned model without anything that only training needs: updates are merged into float32 weights."""
    if not spec.model.lora:
        return model
    if spec.model.quantize_base:  # merged into the weights as they were before they were cut to 4 bits
        whole = _built(family, base, spec.model, warn)
        add_lora(whole, spec.model.lora)
        whole.load_state_dict(trained_weights(model), strict=False)
        model = whole
    merge_lora(model)
    return model


def features_to_train_on(
    features: FeatureStore,
    rows: pa.Table,
    family: BoundFamily,
    encoder: TextEncoder,
    spec: Spec,
    hooks: Any,  # noqa: ANN401 (pluggy's relay has no type)
    teacher_outputs: Callable[[], Mapping[str, np.ndarray]],
    warn: Warn,
) -> TrainingFeatures:
    """The training features, with a teacher's outputs, or changed from epoch to epoch by `training.augment`.

    Args:
        features, rows: those to train on, tokenised and as they were read.
        teacher_outputs: called where the spec has `model.distill_from`.
    """
    if spec.model.distill_from is not None:
        by_token = make_decoder(family.scoring.decoder).by_token
        return TaughtFeatures(features, teacher_outputs(), by_token=by_token)
    if spec.training.augment is None:
        return features
    augmented = AugmentedFeatures(features, rows, family, encoder, spec, hooks)
    if (idle := augmented.idle_share()) >= _IDLE:
        warn(
            f"`training.augment` can swap or leave out nothing in {idle:.0%} of the training rows: they have one word"
        )
    return augmented


def answer_by_names(
    model: torch.nn.Module, family: Model[Any, Any], base: BaseModel, encoder: TextEncoder
) -> bool:
    """Make an untrained model answer by the names of the labels, where it can; whether it does."""
    texts = family.answer_texts(base) if isinstance(family, Named) else None
    return texts is not None and head_from_texts(model, family, encoder, texts)


def head_from_probe(
    model: torch.nn.Module,
    family: Model[Any, Any],
    base: BaseModel,
    features: FeatureStore,
    warn: Warn,
    inputs: np.ndarray | None = None,
) -> None:
    """Start the head of `model` from a regression on these rows, or warn why it starts at random.

    Args:
        inputs: what the head reads of them; computed unless given.
    """
    texts = family.probe_texts(base) if isinstance(family, Probed) else None
    if problem := start_head(model, family, features, texts, inputs):
        warn(f"the head starts at random: {problem}")


def frozen_trunk_runs_once(
    model: torch.nn.Module,
    family: Model[Any, Any],
    stores: Sequence[FeatureStore],
    training: TrainingSpec,
    warn: Warn,
) -> AbstractContextManager[None]:
    """A context in which a frozen trunk answers from what is kept of it.

    Args:
        stores: the features that the model will read, whose part of the trunk is kept.
    """
    if training.freeze is None or not training.freeze.trunk:
        return nullcontext()
    Freezing(model, training.freeze)  # or it is refused
    device = torch_device()
    precision = choose_precision(training.precision)[0]
    return trunk_runs_once(
        model,
        family,
        stores,
        cache_dir() / "trunk",
        half=precision != "fp32",
        autocast=lambda: autocast(precision, device),
        warn=warn,
    )
