"""Which number format the matrix products of training run in."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from functools import cache
from typing import Literal

import torch

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_GAIN = 1.3  # bf16 must be this much faster: below that its rounding buys nothing
_TIMES, _HOPELESS = 5, 3.0  # products that are timed; where bf16 takes so many times as long, one is enough


def choose_precision(wanted: Literal["auto", "fp32", "bf16", "fp16"]) -> tuple[Precision, str]:
    """The precision and why. auto: bf16 where this machine computes it faster, measured on the CPU."""
    if wanted != "auto":
        return wanted, "as the spec says"
    if torch.cuda.is_available():
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "the GPU computes bf16 natively"
        return "fp32", "the GPU has no native bf16"
    gain = bf16_gain_on_cpu()
    return ("bf16" if gain >= _GAIN else "fp32"), f"bf16 products are {gain:.2g}x as fast as fp32 on this CPU"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """A context in which matrix products on a device run in this format."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, _DTYPES[precision], enabled=precision != "fp32"
    )
    return context


@cache
def bf16_gain_on_cpu() -> float:
    """How many times faster a matrix product of an encoder's shape is in bf16 than in fp32.

    About 50 ms; where the CPU has to emulate bf16, two products, which may take a second each.
    """

    def seconds(dtype: torch.dtype, hopeless: float) -> float:
        a, b = torch.ones(768, 384, dtype=dtype), torch.ones(384, 1536, dtype=dtype)
        torch.mm(a, b)  # the first one takes longer
        best = float("inf")
        for _ in range(_TIMES):
            start = time.perf_counter()
            torch.mm(a, b)
            best = min(best, time.perf_counter() - start)
            if best > hopeless:
                break
        return best

    fp32 = seconds(torch.float32, float("inf"))
    return fp32 / seconds(torch.bfloat16, _HOPELESS * fp32)
