"""The device that torch runs on: one for all of a run."""

from __future__ import annotations

import torch


def torch_device() -> torch.device:
    """This process's GPU where there is one, else the CPU.

    Training, evaluation, zero-shot, the teacher, kept states and the reference of the export all use it.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
