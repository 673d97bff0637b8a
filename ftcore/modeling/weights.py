"""Whether a base model's weights are those of the model that was built: nothing of its body missing, lost or misfit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import transformers

from ftcore.errors import ModelError
from ftcore.modeling.layers import trunk_of
from ftcore.spec.base_folder import LAYER

_SHOWN = 3
#: Parts of a body that a base model may lack: the pooler reads finished states, cross-attention is new in a warm start.
_MAY_BE_NEW = ("pooler", "crossattention")


def check_weights(model: torch.nn.Module, info: Mapping[str, Any], ref: str) -> list[str]:
    """Compare the weights that were found with those that the model has.

    Args:
        info: what `from_pretrained` returns as loading info.
        ref: the base model, for errors.

    Returns:
        what of the head was not taken over, in words.

    Raises:
        ModelError: weights of the body are missing, of another shape, or of layers that the model does not have.
    """
    body = {id(parameter) for parameter in trunk_of(model).parameters()}
    inside = {name for name, parameter in model.named_parameters() if id(parameter) in body}
    missing = sorted(
        name
        for name in info["missing_keys"]
        if name in inside and not any(part in name for part in _MAY_BE_NEW)
    )
    unexpected = sorted(info["unexpected_keys"])
    if missing:
        hint = "the folder's config.json and its weights are of two models"
        if unexpected:
            hint = f"the file has weights of other names instead, like {_listed(unexpected)}"
        raise ModelError(
            f"{len(missing):,} of the {len(inside):,} weights of the model are not in its file: {_listed(missing)}",
            where=ref,
            hint=hint,
        )
    misfit = sorted(info["mismatched_keys"])
    for name, found, wanted in misfit:
        if name in inside:
            raise ModelError(
                f"{name} has the shape {list(found)} in the file, and {list(wanted)} by config.json",
                where=ref,
                hint="the folder's config.json and its weights are of two models",
            )
    config: Any = model.config
    count = getattr(config, "num_hidden_layers", None)
    if isinstance(count, int) and not config.is_encoder_decoder:
        beyond = [name for name in unexpected if (at := LAYER.search(name)) and int(at[1]) >= count]
        if beyond:
            raise ModelError(
                f"config.json says {count} layers, and the file has more: {_listed(beyond)}",
                where=ref,
                hint="set `num_hidden_layers` right; to train with fewer layers set `model.keep_layers`",
            )
    return [f"{name} of the base model has another shape and is made anew" for name, *_ in misfit]


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def set_labels(config: transformers.PretrainedConfig, labels: list[str]) -> None:
    """Name the outputs of a classifier; one without a name for a number."""
    if not labels:
        config.num_labels = 1
        return
    config.id2label = dict(enumerate(labels))
    config.label2id = {name: index for index, name in enumerate(labels)}


def labels_of(config: transformers.PretrainedConfig) -> list[str]:
    """The names of a classifier's outputs, in order; `LABEL_3`, which nobody named, is `3`."""
    return [
        re.sub(r"^LABEL_(?=\d+$)", "", str(config.id2label.get(index, index)))
        for index in range(config.num_labels)
    ]
