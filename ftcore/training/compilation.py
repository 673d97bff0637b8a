"""torch.compile, and a word in time where this machine cannot."""

from __future__ import annotations

import torch

from ftcore.errors import UserError


def compile_model(model: torch.nn.Module) -> None:
    """Compile the model in place, for batches of any shape; names and weights stay.

    Raises:
        UserError: this machine has no working compiler.
    """
    try:
        torch.compile(torch.nn.functional.gelu)(torch.ones(2))
    except (RuntimeError, OSError, ImportError) as error:
        raise UserError(
            f"torch.compile does not work here ({str(error).strip().splitlines()[0]})",
            where="training.compile",
            hint="install a C++ compiler, or leave it out",
        ) from error
    model.compile(dynamic=True)
