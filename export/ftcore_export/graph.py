"""What a family wants exported: one traced module with named inputs, outputs and dynamic axes."""

from __future__ import annotations

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
