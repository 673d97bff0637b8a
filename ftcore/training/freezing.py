"""Which parameters train, and from which epoch on."""

from __future__ import annotations

from torch import nn

from ftcore.errors import UserError
from ftcore.modeling.layers import head_depth, parameter_depths, trunk_of
from ftcore.spec.training import FreezeSpec


class Freezing:
    """Freezes what the spec says when it is made; `begin` unfreezes by and by.

    Gradual unfreezing (Howard and Ruder 2018) starts with the head; each epoch adds the next layer below, the
    embeddings last. What is trained is a function of the epoch alone, so a resumed run needs no state.

    Args:
        model: its parameters that do not require gradients already (LoRA's base) are left alone.
        freeze: None freezes nothing.

    Raises:
        UserError: the model has fewer layers than are to be frozen, or no head apart from its trunk.
    """

    def __init__(self, model: nn.Module, freeze: FreezeSpec | None) -> None:
        self._gradual = freeze is not None and freeze.gradual
        depths = parameter_depths(model)
        self._head = head_depth(depths)
        if freeze is None:
            return
        if freeze.layers >= self._head:
            raise UserError(
                f"the base model has {self._head - 1} layers, fewer than {freeze.layers}",
                where="training.freeze.layers",
            )
        if freeze.trunk and trunk_of(model) is model:
            raise UserError(
                f"{type(model).__name__} has no head apart from its trunk", where="training.freeze.trunk"
            )
        for name, parameter in model.named_parameters():
            depth = depths[name]
            held = freeze.trunk and depth < self._head
            held |= freeze.embeddings and depth == 0
            held |= 1 <= depth <= freeze.layers
            if held:
                parameter.requires_grad_(False)
        self._later = [
            (parameter, depths[name])
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        ]

    def begin(self, epoch: int) -> None:
        """Unfreeze what trains from this epoch (from 0) on."""
        if self._gradual:
            for parameter, depth in self._later:
                parameter.requires_grad_(depth >= self._head - epoch)
