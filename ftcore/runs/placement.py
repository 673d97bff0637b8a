"""Which GPU a run of the queue goes to: a free one, or one where others run and it is measured to fit with them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: What CUDA takes for a process in addition to torch's own memory, bytes; generous for every driver so far.
_CONTEXT = 1_000_000_000
#: Part of the free memory that a run may be given: batches to come may be longer than those measured.
_SHARE = 0.8


@dataclass(frozen=True)
class Placed:
    """A run at work on a GPU.

    Args:
        peak: the most memory that torch has held for it, bytes; None before its first steps.
    """

    gpu: str
    peak: int | None


def choose_gpu(
    gpus: Sequence[str], running: Sequence[Placed], free: Callable[[str], int | None]
) -> str | None:
    """A GPU for one run more; None: it has to wait.

    A GPU where nothing runs comes first. Beside others a run is put only when all on that GPU have been measured, and
    one like the largest of them fits into what is free.

    Args:
        gpus: as CUDA_VISIBLE_DEVICES names them.
        free: bytes free on a GPU; None where nobody knows.
    """
    there: Mapping[str, list[Placed]] = {gpu: [run for run in running if run.gpu == gpu] for gpu in gpus}
    for gpu, runs in there.items():
        if not runs:
            return gpu
    rooms: dict[str, int] = {}
    for gpu, runs in there.items():
        peaks = [run.peak for run in runs]
        room = free(gpu)
        if room is not None and None not in peaks:
            needed = max(peak or 0 for peak in peaks) + _CONTEXT
            if needed <= _SHARE * room:
                rooms[gpu] = room
    return max(rooms, key=rooms.__getitem__, default=None)


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    return named.split(",")[:count] if named else [str(index) for index in range(count)]


def free_memory(gpu: str) -> int | None:
    """Bytes free on a GPU, as the driver's own tool says: to ask CUDA would take memory there. None without it."""
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        return int(output) << 20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
