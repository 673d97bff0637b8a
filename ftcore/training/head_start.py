"""Start a head where a regression on what it reads ends: linear probing, then fine-tuning (Kumar et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ftcore import processes
from ftcore.data.batching import by_length
from ftcore.data.features import FeatureStore
from ftcore.families.model import Batch, Model
from ftcore.families.recipe import Probed
from ftcore.modeling.device import device_of, to_device
from ftcore.modeling.layers import trunk_of
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.windows import firsts_of

_ROWS = 64  # a batch
_SHARPNESS = 20.0  # what cosines are multiplied by before the softmax, as sentence-transformers' losses do


def start_head(
    model: nn.Module,
    family: Model[Any, Any],
    features: FeatureStore,
    texts: Sequence[str] | None = None,
    inputs: np.ndarray | None = None,
) -> str | None:
    """Give the last linear layer of the head the weights of a regression on what it reads of the training rows.

    Args:
        model: on the device to compute on.
        features: of the training rows.
        texts: one for each output, to learn from as from a row of it.
        inputs: what the layer reads of the rows, as `inputs_of` gives it; computed unless given.

    Returns:
        why that cannot be; None where it was done.
    """
    layer = last_linear(model)
    if layer is None or not isinstance(family, Probed):
        return f"{type(model).__name__} has no head that ends in a linear layer"
    if inputs is None:
        inputs = inputs_of(layer, model, family, features)
    if inputs is None:
        return f"the head of {type(model).__name__} reads more than one representation a row"
    named = read_texts(model, family, features.encoder, texts) if texts else None
    weight, bias = family.probe(inputs, features, named)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        if layer.bias is not None:
            layer.bias.copy_(torch.from_numpy(bias))
    return None


def head_from_texts(
    model: nn.Module, family: Model[Any, Any], encoder: TextEncoder, texts: Sequence[str]
) -> bool:
    """Make the head answer with the text that lies nearest, without any training (Yin et al. 2019, section 4.1).

    Its weights are what it reads of each text, scaled to one length: the largest product is the largest cosine.

    Args:
        model: on the device to compute on.
        texts: one for each output.

    Returns:
        whether that could be done: the head is one linear layer that reads one representation a row.
    """
    layer = last_linear(model)
    made = encoder.collate(encoder.encode(texts))
    inputs = None
    if layer is not None:
        inputs = _read_by(layer, model, family, {name: torch.from_numpy(made[name]) for name in made})
    if layer is None or inputs is None or len(inputs) != layer.out_features:
        return False
    lengths = inputs.norm(dim=1, keepdim=True).clamp(min=1e-9)
    with torch.no_grad():
        layer.weight.copy_(_SHARPNESS * inputs / lengths / lengths.mean())
        if layer.bias is not None:
            layer.bias.zero_()
    return True


def read_texts(
    model: nn.Module, family: Model[Any, Any], encoder: TextEncoder, texts: Sequence[str]
) -> np.ndarray | None:
    """What the head's last linear layer reads of texts, float32 [texts, size].

    None where there is no such layer, or it reads more than one representation a text.
    """
    layer = last_linear(model)
    if layer is None:
        return None
    whole = np.zeros((len(texts), layer.in_features), np.float32)
    order = np.argsort([-len(text) for text in texts], kind="stable")
    for start in range(0, len(order), _ROWS):
        indices = order[start : start + _ROWS]
        made = encoder.collate(encoder.encode([texts[index] for index in indices]))
        read = _read_by(layer, model, family, {name: torch.from_numpy(made[name]) for name in made})
        if read is None:
            return None
        whole[indices] = read.numpy()
    return whole


@dataclass(frozen=True)
class RowInputs:
    """What a head reads of rows, with what they are to teach it.

    Args:
        inputs: float32 [rows, size]; of a row of several windows their mean.
        targets: int64 [rows], float32 [rows, labels] or float32 [rows], as the family's features have them.
        weights: float32 [rows].
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


def read_rows(model: nn.Module, family: Model[Any, Any], features: FeatureStore) -> RowInputs | None:
    """What the head's last linear layer reads of rows; None where there is none or a feature gives it more."""
    layer = last_linear(model)
    inputs = None if layer is None else inputs_of(layer, model, family, features)
    if inputs is None:
        return None
    firsts = firsts_of(features.row)
    weights = np.add.reduceat(features.column("weight"), firsts)
    return RowInputs(mean_of_rows(inputs, features.row), features.column("labels")[firsts], weights)


def mean_of_rows(values: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The mean over the features of each row, [rows, ...] from [features, ...].

    Args:
        row: int64 [features], ascending: index of the row of each; every row has one.
    """
    sums: np.ndarray = np.add.reduceat(values, firsts_of(row))
    means: np.ndarray = sums / np.bincount(row)[:, None].astype(values.dtype)
    return means


def last_linear(model: nn.Module) -> nn.Linear | None:
    """The last linear layer outside the base model."""
    inside = set(trunk_of(model).modules())
    found = [part for part in model.modules() if isinstance(part, nn.Linear) and part not in inside]
    return found[-1] if found else None


def inputs_of(
    layer: nn.Linear, model: nn.Module, family: Model[Any, Any], features: FeatureStore
) -> np.ndarray | None:
    """What `layer` reads of every row without dropout, float32 [features, size]; None where a row gives it more.

    Of several processes each runs its share of the batches, and all get the whole.
    """
    whole = np.zeros((len(features), layer.in_features), np.float32)
    for indices in by_length(features.lengths, _ROWS)[processes.rank() :: processes.world()]:
        if (read := _read_by(layer, model, family, features.batch(indices))) is None:
            return None
        whole[indices] = read.numpy()
    return processes.total(torch.from_numpy(whole)).numpy()


def _read_by(
    layer: nn.Linear, model: nn.Module, family: Model[Any, Any], batch: Batch
) -> torch.Tensor | None:
    """What `layer` reads of a batch without dropout, float32 [rows, size]; None where it reads anything else."""
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            family.outputs(model, to_device(batch, device_of(model)))
    finally:
        handle.remove()
        model.train(training)
    return seen[0].float().cpu() if len(seen) == 1 and seen[0].ndim == 2 else None
