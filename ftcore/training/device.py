"""The device, number format and processes that a training runs on, and model and optimizer on them, by accelerate."""

from __future__ import annotations

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState

from ftcore import processes
from ftcore.events import Emit
from ftcore.modeling.cpu_training import prepare_for_cpu
from ftcore.modeling.device import torch_device
from ftcore.spec.training import TrainingSpec
from ftcore.training.checkpoint import Setting
from ftcore.training.compilation import compile_model
from ftcore.training.memory import recompute_activations
from ftcore.training.optimization import make_optimizer
from ftcore.training.precision import choose_precision
from ftcore.training.row_adamw import name_rows
from ftcore.training.sharding import shard


def make_accelerator(training: TrainingSpec, emit: Emit, before: Setting | None = None) -> Accelerator:
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
    if before is not None:
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


def setting_of(accelerator: Accelerator) -> Setting:
    """What a run on this accelerator must go on with."""
    precision = accelerator.mixed_precision
    return Setting(
        processes=accelerator.num_processes,
        precision="fp32" if precision == "no" else precision,
        threads=torch.get_num_threads(),
    )


def is_to_be_sharded(training: TrainingSpec) -> bool:
    """Whether each process gets a slice of the model."""
    return training.distributed == "fsdp" and processes.world() > 1


def prepare(
    model: torch.nn.Module, training: TrainingSpec, accelerator: Accelerator
) -> tuple[torch.nn.Module, AcceleratedOptimizer]:
    """Model and optimizer on the device, replicated (DDP) or sharded (FSDP2) over the processes.

    Args:
        model: with what is frozen frozen; it is changed in place.
    """
    if training.gradient_checkpointing:
        recompute_activations(model)
    if training.compile:
        compile_model(model)
    if accelerator.device.type == "cpu" and not training.compile:  # the compiler does as much itself
        prepare_for_cpu(model)
        plain = is_to_be_sharded(training) or training.optimizer != "adamw"
        if training.lazy_embeddings and not plain:
            name_rows(model)
    if not is_to_be_sharded(training):
        prepared, optimizer = accelerator.prepare(model, make_optimizer(model, training))
        return prepared, optimizer
    model.to(accelerator.device)
    shard(model, accelerator.device)
    return model, accelerator.prepare_optimizer(make_optimizer(model, training))
