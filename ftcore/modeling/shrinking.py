"""A smaller student of a base model: some of its layers, with their weights (DistilBERT, Sanh et al. 2019)."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
from torch import nn

from ftcore.errors import UserError
from ftcore.modeling.layers import stacks_of, trunk_of

_WHERE = "model.keep_layers"


def keep_layers(model: nn.Module, count: int) -> nn.Module:
    """The model with `count` of its layers, evenly spaced, the first and (of two or more) the last among them.

    Args:
        model: a transformers model; left as it is.

    Raises:
        UserError: it has fewer layers, or not one stack of layers with weights of their own.
    """
    whole: Any = model
    stack = _stack(whole)
    if count > len(stack):
        raise UserError(f"the base model has {len(stack)} layers, fewer than {count}", where=_WHERE)
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
    # Made anew, since some layers know their index; every weight it has comes from the whole model.
    small: nn.Module = type(whole)(config)
    small.load_state_dict(weights)
    return small


def _stack(model: Any) -> nn.ModuleList:  # noqa: ANN401 (a PreTrainedModel)
    """The one stack of the model's layers."""
    layers = getattr(model.config, "num_hidden_layers", None)
    found = list(stacks_of(trunk_of(model)))
    if model.config.is_encoder_decoder or len(found) != 1 or len(found[0]) != layers:
        raise UserError(
            f"the layers of {type(model).__name__} are not one stack with weights of their own",
            where=_WHERE,
            hint="leave it out, and name a smaller `model.base`",
        )
    return found[0]
