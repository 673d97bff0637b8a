"""bitsandbytes, which keeps weights and optimizer state in 4 or 8 bits on a GPU, where there is one."""

from __future__ import annotations

from types import ModuleType

import torch

from ftcore.errors import UserError


def load_bitsandbytes(what: str, *, where: str, hint: str) -> ModuleType:
    """The package bitsandbytes, on a machine that it can work on.

    Raises:
        UserError: it, or a CUDA device, is missing for `what`, asked for by the field `where`.
    """
    try:
        import bitsandbytes
    except ImportError as error:
        raise UserError(f"{what} needs the package bitsandbytes", where=where, hint=hint) from error
    if not torch.cuda.is_available():
        raise UserError(f"{what} needs a CUDA device", where=where, hint=hint)
    module: ModuleType = bitsandbytes
    return module
