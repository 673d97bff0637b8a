"""FSDP2: parameters, gradients and optimizer state cut in slices over the processes (torch's `fully_shard`).

torch's own call is used rather than accelerate's, which takes FSDP for GPUs alone and would quietly replicate
the model on CPUs. What is saved is always whole: `full` puts a slice together, `like` cuts it again.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(model: torch.nn.Module, device: torch.device) -> None:
    """Cut `model` in place: each block of a stack (a ModuleList) is one unit, and the rest is one."""
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for module in list(model.modules()):
        if isinstance(module, torch.nn.ModuleList):
            for block in module:
                if not isinstance(block, torch.nn.ModuleList) and any(True for _ in block.parameters()):
                    fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def is_sharded(model: torch.nn.Module) -> bool:
    """Whether `shard` cut it."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def full(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a slice (every process must ask), on the CPU where it was one; else the tensor itself."""
    return tensor.full_tensor().cpu() if isinstance(tensor, DTensor) else tensor


def like(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """This process's slice of `tensor`, cut as `parameter` is; the tensor itself where that is whole."""
    if not isinstance(parameter, DTensor) or tensor.shape != parameter.shape:
        return tensor
    return distribute_tensor(
        tensor.to(parameter.device), parameter.device_mesh, parameter.placements, src_data_rank=None
    )


def full_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every weight of a sharded model whole, by name, on the CPU (every process must ask)."""
    return {name: full(tensor).contiguous() for name, tensor in model.state_dict().items()}


def load_full_state(model: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Put whole weights into a sharded model."""
    own = model.state_dict()
    model.load_state_dict({name: like(tensor, own[name]) for name, tensor in tensors.items()})
