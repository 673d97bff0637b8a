"""A smaller student of a base model, with its weights: some of its layers (DistilBERT, Sanh et al. 2019), each with
some of its intermediate features."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
import torch
from torch import nn

from ftcore.errors import UserError
from ftcore.modeling.layers import stacks_of, trunk_of

_LAYERS, _INTERMEDIATE = "model.keep_layers", "model.keep_intermediate"
#: What configurations call the number of features between the two products of a feed-forward block.
_SIZES = ("intermediate_size", "hidden_dim")


def shrink(model: nn.Module, layers: int | None, intermediate: int | None) -> nn.Module:
    """The model with so many layers and intermediate features; with all of them where None is given.

    Raises:
        UserError: see `keep_layers` and `keep_intermediate`.
    """
    if layers is not None:
        model = keep_layers(model, layers)
    return model if intermediate is None else keep_intermediate(model, intermediate)


def keep_layers(model: nn.Module, count: int) -> nn.Module:
    """The model with `count` of its layers, evenly spaced, the first and (of two or more) the last among them.

    Args:
        model: a transformers model; left as it is.

    Raises:
        UserError: it has fewer layers, or not one stack of layers with weights of their own.
    """
    whole: Any = model
    stack = _stack(whole, _LAYERS)
    if count > len(stack):
        raise UserError(f"the base model has {len(stack)} layers, fewer than {count}", where=_LAYERS)
    kept = np.unique(np.linspace(0, len(stack) - 1, count).round().astype(int)).tolist()
    config = copy.deepcopy(whole.config)
    config.num_hidden_layers = count
    kinds = getattr(config, "layer_types", None)  # ModernBERT: which attention each has
    if isinstance(kinds, list):
        config.layer_types = [kinds[layer] for layer in kept]
    (prefix,) = (name for name, module in whole.named_modules() if module is stack)
    new_index = {str(layer): str(index) for index, layer in enumerate(kept)}
    weights = {}
    for name, value in whole.state_dict().items():
        if found := re.match(rf"{re.escape(prefix)}\.(\d+)\.", name):
            if found[1] not in new_index:
                continue
            name = f"{prefix}.{new_index[found[1]]}.{name[found.end() :]}"
        weights[name] = value
    return _made_anew(whole, config, weights)


def keep_intermediate(model: nn.Module, count: int) -> nn.Module:
    """The model with `count` of the intermediate features of every layer: those between its two feed-forward products.

    Those stay whose product of norms is largest: of the weights that make a feature, and of those that read it. Biases
    do not count. (By the size of weights alone, as in magnitude pruning, Han et al. 2015.)

    Args:
        model: a transformers model; left as it is.

    Raises:
        UserError: it has fewer of them, or no such blocks in each layer of one stack.
    """
    whole: Any = model
    stack = _stack(whole, _INTERMEDIATE)
    size_name = next((name for name in _SIZES if isinstance(getattr(whole.config, name, None), int)), "")
    size = getattr(whole.config, size_name, 0)
    if count > size > 0:
        raise UserError(f"the base model has {size} in each layer, fewer than {count}", where=_INTERMEDIATE)
    names = {module: name for name, module in whole.named_modules()}
    weights = dict(whole.state_dict())
    for layer in stack:
        makers, reader = _feed_forward(layer, size, whole)
        importance = reader.weight.norm(dim=0)
        for maker in makers:
            importance = importance * maker.weight.norm(dim=1)
        kept = importance.topk(count).indices.sort().values
        for module, axis in [*((maker, 0) for maker in makers), (reader, 1)]:
            weights[f"{names[module]}.weight"] = module.weight.index_select(axis, kept)
        for maker in makers:
            if maker.bias is not None:
                weights[f"{names[maker]}.bias"] = maker.bias[kept]
    config = copy.deepcopy(whole.config)
    setattr(config, size_name, count)
    return _made_anew(whole, config, weights)


def _feed_forward(layer: nn.Module, size: int, model: nn.Module) -> tuple[list[nn.Linear], nn.Linear]:
    """What makes one layer's intermediate features (two products where one gates the other), and what reads them."""
    linear = [module for module in layer.modules() if isinstance(module, nn.Linear)]
    makers = [module for module in linear if module.out_features == size != module.in_features]
    readers = [module for module in linear if module.in_features == size != module.out_features]
    if not makers or len(readers) != 1:
        raise UserError(
            f"the feed-forward blocks of {type(model).__name__} have none that could be left out alone",
            where=_INTERMEDIATE,
            hint="leave it out, or cut layers by `model.keep_layers`",
        )
    return makers, readers[0]


def _made_anew(model: Any, config: Any, weights: dict[str, torch.Tensor]) -> nn.Module:  # noqa: ANN401
    """A model of this configuration with these weights: some layers know their index or their size."""
    small: nn.Module = type(model)(config)
    small.load_state_dict(weights)
    return small


def _stack(model: Any, where: str) -> nn.ModuleList:  # noqa: ANN401 (a PreTrainedModel)
    """The one stack of the model's layers."""
    layers = getattr(model.config, "num_hidden_layers", None)
    found = list(stacks_of(trunk_of(model)))
    if model.config.is_encoder_decoder or len(found) != 1 or len(found[0]) != layers:
        raise UserError(
            f"the layers of {type(model).__name__} are not one stack with weights of their own",
            where=where,
            hint="leave it out, and name a smaller `model.base`",
        )
    return found[0]
