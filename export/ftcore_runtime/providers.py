"""Where graphs run: onnxruntime's own name for it, and a plain error where this installation cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import onnxruntime as ort

from ftcore_runtime.errors import InputError

#: Where the graphs of a pipeline run. On `cuda` every operator that has no kernel there still runs on the CPU.
Device = Literal["cpu", "cuda"]

_CUDA = "CUDAExecutionProvider"
#: float32 products are float32, as they are on the CPU: TF32 has 10 bits, and answers would differ from those measured.
_EXACT = {"use_tf32": "0"}


def providers(device: Device) -> list[str | tuple[str, dict[str, str]]]:
    """What a session is opened with to run on the device.

    Raises:
        InputError: an unknown device, or an onnxruntime that was built without it.
    """
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if device != "cuda":
        raise InputError(f"must be one of {', '.join(get_args(Device))}, got {device!r}", where="device")
    if _CUDA not in ort.get_available_providers():
        raise InputError(
            "the installed onnxruntime has no CUDA",
            where="device",
            hint="pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]', which has the same module",
        )
    ort.preload_dlls()  # CUDA and cuDNN where pip, or torch, has put them
    return [(_CUDA, _EXACT), "CPUExecutionProvider"]


def require_device(device: Device, found: Sequence[str]) -> None:
    """Refuse a session that was asked for CUDA and runs without: onnxruntime only logs what it misses.

    Args:
        found: the providers that the session says it has.

    Raises:
        InputError: there is no GPU, or its driver, CUDA or cuDNN is missing or of another version.
    """
    if device == "cuda" and _CUDA not in found:
        raise InputError(
            "onnxruntime could not use CUDA on this machine",
            where="device",
            hint="it needs an NVIDIA GPU with its driver, and CUDA and cuDNN of the versions that this onnxruntime-gpu "
            "was built for (pip install 'onnxruntime-gpu[cuda,cudnn]'); `cpu` needs none of it",
        )
