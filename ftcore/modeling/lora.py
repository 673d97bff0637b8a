"""LoRA (Hu et al. 2022) through peft: low-rank updates are put into a model, trained, and merged into its weights.

The model keeps its class and its other parameters' names; no file of peft's is ever read or written.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ftcore.errors import UserError
from ftcore.modeling.layers import head_depth, parameter_depths, trunk_of
from ftcore.modeling.low_bits import load_bitsandbytes
from ftcore.spec.sections import LoraSpec


def add_lora(model: nn.Module, lora: LoraSpec, quantize: str | None = None) -> None:
    """Freeze the base model and give its linear layers low-rank updates; these and the head train.

    Args:
        quantize: "nf4" keeps the frozen weights in 4 bits on the GPU (QLoRA, Dettmers et al. 2023).

    Raises:
        UserError: peft (or bitsandbytes, or a GPU) is missing, or `target_modules` names no layer.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise UserError(
            "LoRA needs the package peft", where="model.lora", hint="pip install 'ftcore[lora]'"
        ) from error
    depths = parameter_depths(model)
    head = [p for name, p in model.named_parameters() if depths[name] == head_depth(depths)]
    layers = _target_layers(model, lora)
    if quantize:
        _quantize(model, layers)
        model.is_loaded_in_4bit = True  # type: ignore[assignment]  # how peft tells that the layers are
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=layers, bias="none"
    )
    inject_adapter_in_model(config, model)
    for parameter in head:
        parameter.requires_grad_(True)
    for parameter in model.parameters():
        if parameter.requires_grad:  # updates of 4-bit layers come in bf16, too coarse to add small steps to
            parameter.data = parameter.data.float()


def merge_lora(model: nn.Module) -> None:
    """Add the updates to the weights they belong to and take the adapters out: the plain model again."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge(safe_merge=True)
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())
    del model.peft_config  # else `save_pretrained` would take the model for an adapter
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def trained_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """What LoRA trains: updates and head, by parameter name."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def _target_layers(model: nn.Module, lora: LoraSpec) -> list[str]:
    """Full names of the base model's linear layers that `target_modules` asks for; a pooler is part of the head."""
    trunk = trunk_of(model)
    prefix = next(name for name, module in model.named_modules() if module is trunk)
    # A language model's output layer may be its embedding as well, which an update would change unseen.
    output = getattr(model, "get_output_embeddings", lambda: None)()
    linear = [
        f"{prefix}.{name}".lstrip(".")
        for name, module in trunk.named_modules()
        if type(module).__name__ in {"Linear", "Conv1D"} and "pooler" not in name and module is not output
    ]
    wanted = lora.target_modules
    if wanted is None:
        return linear
    for one in wanted:
        if not any(_named(name, one) for name in linear):
            ends = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
            raise UserError(
                f"no linear layer of the base model is called {one!r}; there are {ends}",
                where="model.lora.target_modules",
            )
    return [name for name in linear if any(_named(name, one) for one in wanted)]


def _named(full: str, suffix: str) -> bool:
    return full == suffix or full.endswith(f".{suffix}")


def _quantize(model: nn.Module, layers: list[str]) -> None:
    """Replace linear layers by 4-bit ones; their weights are quantised when the model moves to the GPU."""
    bitsandbytes = load_bitsandbytes(
        "4-bit weights",
        where="model.quantize_base",
        hint="leave it out: LoRA alone needs little memory as well",
    )
    for name in layers:
        layer: Any = model.get_submodule(name)
        small = bitsandbytes.nn.Linear4bit(
            layer.in_features,
            layer.out_features,
            bias=layer.bias is not None,
            compute_dtype=torch.bfloat16,
            quant_type="nf4",
        )
        small.weight = bitsandbytes.nn.Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4")
        if layer.bias is not None:
            small.bias = layer.bias
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, small)
