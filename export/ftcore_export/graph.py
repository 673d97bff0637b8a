"""What a family wants exported: one traced module with named inputs, outputs and dynamic axes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Graph:
    """One ONNX graph to export.

    Args:
        name: file stem in the bundle (`model`, `encoder`, ...).
        module: what is traced, in eval mode; called with `example` as keyword arguments, or,
            where `forward` ends in `*rest`, in order.
        example: name -> tensor; also the graph's input names, in order.
        outputs: the graph's output names, in order.
        dynamic: input name -> {axis: name of the dimension}.
    """

    name: str
    module: torch.nn.Module
    example: Mapping[str, torch.Tensor]
    outputs: Sequence[str]
    dynamic: Mapping[str, Mapping[int, str]]

    @property
    def by_order(self) -> bool:
        """Whether the module takes its inputs in order, not by name."""
        parameters = inspect.signature(self.module.forward).parameters.values()
        return any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)

    def answers(self) -> tuple[torch.Tensor, ...]:
        """What the module gives for the example, in the order of `outputs`."""
        with torch.no_grad():
            made = self.module(*self.example.values()) if self.by_order else self.module(**self.example)
        return (made,) if isinstance(made, torch.Tensor) else tuple(made)
