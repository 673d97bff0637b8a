"""The device that torch runs on: one for all of a run, and what is moved there."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def torch_device() -> torch.device:
    """This process's GPU where there is one, else the CPU.

    Training, evaluation, zero-shot, the teacher, kept states and the reference of the export all use it.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(model: torch.nn.Module) -> torch.device:
    """Where the weights of a model are."""
    return next(model.parameters()).device


def to_device(batch: Mapping[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """The tensors of a batch on the device, under the same names; a GPU is not waited for."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}
