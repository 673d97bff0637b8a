"""The device that torch runs on: one for all of a run, and what is moved there."""

from __future__ import annotations

from collections.abc import Mapping

import torch

# cuDNN plans its attention anew for each shape of a batch, and nearly every batch here has its own: on an H100 that
# took two thirds of a training step. Torch's other kernels need no plan.
torch.backends.cuda.enable_cudnn_sdp(False)


def torch_device() -> torch.device:
    """This process's GPU where there is one, else the CPU.

    Training, evaluation, zero-shot, the teacher, kept states and the reference of the export all use it.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(model: torch.nn.Module) -> torch.device:
    """Where the weights of a model are."""
    return next(model.parameters()).device


def to_device(batch: Mapping[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """The tensors of a batch on the device, under the same names.

    To a GPU they go from page-locked memory: a copy from any other first waits for all that the GPU has still to do, so
    that the CPU could not prepare the next step meanwhile.
    """
    if device.type != "cuda":
        return {name: value.to(device) for name, value in batch.items()}
    return {
        name: (value.pin_memory() if value.device.type == "cpu" else value).to(device, non_blocking=True)
        for name, value in batch.items()
    }
