"""Where a parameter lies between embeddings and head: what freezing, unfreezing and layer-wise rates go by."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn


def trunk_of(model: nn.Module) -> nn.Module:
    """The base model inside a Hugging Face model; the model itself where it has no such part."""
    trunk = getattr(model, getattr(model, "base_model_prefix", "") or "-", model)
    return trunk if isinstance(trunk, nn.Module) else model


def parameter_depths(model: nn.Module) -> dict[str, int]:
    """Depth of every parameter by name: 0 embeddings, 1..N the layers from the bottom, N + 1 the head.

    The head is what lies outside the base model, and its pooler: it reads finished hidden states. A norm above a
    layer goes with that layer. Of an encoder-decoder, the decoder's layers follow the encoder's.
    """
    trunk = trunk_of(model)
    inside = {id(p) for p in trunk.parameters()}
    layers = layers_of(trunk)
    layer_of = {id(p): depth for depth, layer in enumerate(layers, 1) for p in layer.parameters()}
    embedding = {id(m.weight) for m in trunk.modules() if isinstance(m, nn.Embedding)}
    depths = {}
    passed = 0  # the last layer that has come by
    for name, parameter in model.named_parameters():
        key = id(parameter)
        if key in layer_of:
            depths[name] = passed = layer_of[key]
        elif key not in inside or "pooler" in name or not layers:
            depths[name] = len(layers) + 1
        elif key in embedding or "embed" in name:
            depths[name] = 0
        else:
            depths[name] = passed
    return depths


def layers_of(trunk: nn.Module) -> list[nn.Module]:
    """The layers of a base model from the bottom up; of an encoder-decoder, the encoder's first."""
    return [layer for stack in stacks_of(trunk) for layer in stack]


def head_depth(depths: dict[str, int]) -> int:
    """The depth of the head, N + 1."""
    return max(depths.values(), default=1)


def stacks_of(module: nn.Module) -> Iterator[nn.ModuleList]:
    """The outermost lists of layers that have weights, in the order of the model."""
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            if next(child.parameters(), None) is not None:
                yield child
        else:
            yield from stacks_of(child)
