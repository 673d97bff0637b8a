"""What the spec's techniques make of model and features before training, and of the model after it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from ftcore.data.augmentation import AugmentedFeatures
from ftcore.data.features import TrainingFeatures
from ftcore.data.tables import Split
from ftcore.errors import UserError
from ftcore.families.recipe import Named
from ftcore.modeling.device import torch_device
from ftcore.modeling.lora import add_lora, merge_lora, trained_weights
from ftcore.modeling.shrinking import keep_layers
from ftcore.runs.workspace import Workspace, cache_dir
from ftcore.training.distillation import TaughtFeatures
from ftcore.training.freezing import Freezing
from ftcore.training.frozen_trunk import trunk_runs_once
from ftcore.training.head_start import head_from_texts, start_head
from ftcore.training.precision import choose_precision
from ftcore_runtime.decoders import make_decoder


def model_to_train(workspace: Workspace) -> torch.nn.Module:
    """The family's model, with low-rank updates where the spec has `model.lora`.

    Raises:
        UserError: it has, and the model is to be sharded; or its layers cannot be left out.
    """
    spec = workspace.spec.model
    if spec.lora and workspace.spec.training.distributed == "fsdp":
        raise UserError(
            "low-rank updates cannot be merged into a model in slices",
            where="training.distributed",
            hint="leave `model.lora` out, or use `ddp`",
        )
    model = _built(workspace)
    if spec.lora:
        add_lora(model, spec.lora, spec.quantize_base)
    return model


def _built(workspace: Workspace) -> torch.nn.Module:
    """The base model with the family's head, and as many of its layers as the spec keeps."""
    model, count = workspace.family.model.build(workspace.base), workspace.spec.model.keep_layers
    for note in workspace.base.notes:
        workspace.events.emit("warning", message=note)
    workspace.base.notes.clear()
    return keep_layers(model, count) if count else model


def model_to_keep(workspace: Workspace, model: torch.nn.Module) -> Any:  # noqa: ANN401 (a PreTrainedModel)
    """The fine-tuned model without anything that only training needs: updates are merged into float32 weights."""
    spec = workspace.spec.model
    if not spec.lora:
        return model
    if spec.quantize_base:  # merged into the weights as they were before they were cut to 4 bits
        whole = _built(workspace)
        add_lora(whole, spec.lora)
        whole.load_state_dict(trained_weights(model), strict=False)
        model = whole
    merge_lora(model)
    return model


def features_to_train_on(workspace: Workspace, rows: Split) -> TrainingFeatures:
    """The features of `rows`, with a teacher's outputs, or changed from epoch to epoch by `training.augment`."""
    features = workspace.features(rows)
    if workspace.teacher is not None:
        by_token = make_decoder(workspace.family.scoring.decoder).by_token
        return TaughtFeatures(features, workspace.taught(rows), by_token=by_token)
    if workspace.spec.training.augment is None:
        return features
    return AugmentedFeatures(
        features,
        rows.table,
        workspace.family,
        workspace.encoder,
        workspace.spec,
        workspace.task.hooks,
    )


def answer_by_names(workspace: Workspace, model: torch.nn.Module) -> bool:
    """Make an untrained model answer by the names of the labels, where it can; whether it does."""
    family = workspace.family.model
    texts = family.answer_texts(workspace.base) if isinstance(family, Named) else None
    return texts is not None and head_from_texts(model, family, workspace.encoder, texts)


def head_from_probe(workspace: Workspace, model: torch.nn.Module, rows: Split) -> None:
    """Start the head of `model` from a regression on these rows, or warn why it starts at random."""
    if problem := start_head(model, workspace.family.model, workspace.features(rows)):
        workspace.events.emit("warning", message=f"the head starts at random: {problem}")


def frozen_trunk_runs_once(
    workspace: Workspace, model: torch.nn.Module, parts: Sequence[Split]
) -> AbstractContextManager[None]:
    """Within: a frozen trunk answers from what is kept of it of the rows of these parts."""
    training = workspace.spec.training
    if training.freeze is None or not training.freeze.trunk:
        return nullcontext()
    Freezing(model, training.freeze)  # or it is refused
    device = torch_device()
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[
        choose_precision(training.precision)[0]
    ]
    return trunk_runs_once(
        model,
        workspace.family.model,
        [workspace.features(part) for part in parts],
        cache_dir() / "trunk",
        half=dtype is not torch.float32,
        autocast=lambda: torch.autocast(device.type, dtype, enabled=dtype is not torch.float32),
        warn=lambda text: workspace.events.emit("warning", message=text),
    )
