"""The device, number format and processes that a training runs on, as accelerate sets them up."""

from __future__ import annotations

from collections.abc import Callable

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState

from ftcore.modeling.device import torch_device
from ftcore.spec.training import TrainingSpec
from ftcore.training.checkpoint import Setting
from ftcore.training.precision import choose_precision


def make_accelerator(
    training: TrainingSpec, emit: Callable[..., None], before: Setting | None = None
) -> Accelerator:
    """The accelerator in the precision that the spec asks for; says what `auto` chose.

    Args:
        before: of the checkpoint that training goes on from: what was chosen then is not chosen again.
    """
    if before is None:
        precision, why = choose_precision(training.precision)
    else:
        precision, why = before.precision, "as before the stop"
    AcceleratorState._reset_state()  # of an earlier training in this process, perhaps in another precision
    accelerator = Accelerator(
        cpu=torch_device().type == "cpu",
        mixed_precision="no" if precision == "fp32" else precision,
        # Not every weight of a base model has a part in every head.
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if before is not None and accelerator.device.type == "cpu":
        torch.set_num_threads(before.threads)  # another number sums in another order
    emit(
        "device",
        device=str(accelerator.device),
        precision=precision,
        why=why,
        processes=accelerator.num_processes,
        threads=torch.get_num_threads(),
    )
    return accelerator
