"""AdamW that leaves alone the rows of an embedding that a step did not read.

A step reads a few hundred of an embedding's tens of thousands of rows, and yet plain AdamW walks all of them, which on
a CPU takes as long as the rest of the update. Here a parameter with a sparse gradient is updated in the rows that
the gradient names alone: the "lazy" variant of torch.optim.SparseAdam (and of TensorFlow's LazyAdam), with
AdamW's decoupled weight decay. It differs from the dense update in that a row that is not read neither moves
on by its old momentum nor decays. Parameters with a dense gradient are torch's own, unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import transformers


class RowAdamW(torch.optim.AdamW):
    """See above. Sparse gradients must have one sparse dimension (rows)."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:  # noqa: ANN401 (as torch has it)
        """One update; sparse gradients are consumed (set to None)."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and parameter.grad.is_sparse:
                    self._step_rows(parameter, group)
                    parameter.grad = None
        return super().step(closure)

    def _step_rows(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        gradient = parameter.grad.coalesce()  # type: ignore[union-attr]
        rows, values = gradient.indices()[0], gradient.values()
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        step, (beta1, beta2), rate = float(state["step"]), group["betas"], group["lr"]
        first = state["exp_avg"][rows].lerp_(values, 1 - beta1)
        second = state["exp_avg_sq"][rows].mul_(beta2).addcmul_(values, values, value=1 - beta2)
        state["exp_avg"][rows], state["exp_avg_sq"][rows] = first, second
        scale = second.sqrt().div_((1 - beta2**step) ** 0.5).add_(group["eps"])
        updated = parameter[rows].mul_(1 - rate * group["weight_decay"])
        parameter[rows] = updated.addcdiv_(first, scale, value=-rate / (1 - beta1**step))


def name_rows(model: torch.nn.Module) -> bool:
    """Let the input embedding's gradient name its rows, where that embedding is plain, trained and not shared.

    Returns:
        whether it does now.
    """
    embedding = model.get_input_embeddings() if isinstance(model, transformers.PreTrainedModel) else None
    if type(embedding) is not torch.nn.Embedding or not embedding.weight.requires_grad or embedding.max_norm:
        return False
    owners = sum(p is embedding.weight for m in model.modules() for p in m.parameters(recurse=False))
    embedding.sparse = owners == 1
    return embedding.sparse


def clip_gradients(parameters: Iterable[torch.nn.Parameter], max_norm: float) -> torch.Tensor:
    """`torch.nn.utils.clip_grad_norm_` for dense and sparse gradients together; returns the norm before."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad.values())
        else:
            gradients.append(parameter.grad)
    norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
    torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm
