"""The processes of one training: which one this is, and the few things they tell each other.

torchrun and `accelerate launch` start the processes and say in the environment which is which. Nothing is ever
pickled between them: they exchange tensors.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from ftcore.errors import UserError

if TYPE_CHECKING:
    import torch

#: How long one process waits for the others. The launcher ends all of them as soon as one fails, so this is
#: only for the slowest honest case: one process tokenises a large data set for all.
_PATIENCE = timedelta(hours=6)
_TEXT_BYTES = 16_384


def rank() -> int:
    """Which process this is, from 0. Known before the processes have met."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process writes what the run leaves behind."""
    return rank() == 0


def meet() -> None:
    """Join the other processes, through accelerate; does nothing where there is one only.

    Raises:
        UserError: more of them are on this machine than it has GPUs, and it has some.
    """
    if world() == 1:
        return
    import torch
    from accelerate import PartialState

    here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if 0 < gpus < here:
        raise UserError(
            f"{here} processes were started here, and there is room for {gpus}: each takes a GPU of its own",
            where="--nproc-per-node",
            hint=f"start {gpus}, or train on the CPU with CUDA_VISIBLE_DEVICES= in front of the command",
        )
    if not torch.distributed.is_initialized():
        PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)


def wait() -> None:
    """Go on when every process is here."""
    if world() > 1:
        import torch.distributed

        torch.distributed.barrier()


def share_text(text: str, source: int = 0) -> str:
    """The text that process `source` gives, in all of them; what is over 16 KB in UTF-8 is cut off."""
    if world() == 1:
        return text
    import torch

    shared = torch.zeros(_TEXT_BYTES, dtype=torch.uint8)
    if rank() == source:
        raw = text.encode()[:_TEXT_BYTES]
        shared[: len(raw)] = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
    shared = shared.to(_device())
    torch.distributed.broadcast(shared, source)
    return bytes(shared.cpu().numpy()).rstrip(b"\0").decode(errors="ignore")


def largest(number: int) -> int:
    """The largest of the numbers that the processes give."""
    if world() == 1:
        return number
    import torch

    shared = torch.tensor(number, device=_device())
    torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
    return int(shared)


def total(tensor: torch.Tensor) -> torch.Tensor:
    """Sum of the processes' tensors (of one shape and type), on the device of the one given."""
    if world() == 1:
        return tensor
    import torch

    summed = tensor.to(_device(), copy=True)
    torch.distributed.all_reduce(summed, torch.distributed.ReduceOp.SUM)
    return summed.to(tensor.device)


def _device() -> torch.device:
    """Where the backend exchanges tensors."""
    import torch

    if torch.distributed.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
