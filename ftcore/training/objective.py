"""The loss of one micro-batch and its gradients, with what a teacher, contrast, R-Drop, mixup and FGM make of them.

The engine knows one call, `Objective.backward`. Random numbers come from torch's generators, which checkpoints keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import nn

from ftcore.errors import UserError
from ftcore.families.model import Batch, Model, SupportsContrast, SupportsDistillation, SupportsRDrop
from ftcore.modeling.layers import trunk_of
from ftcore.spec.training import DistillationSpec, TrainingSpec
from ftcore.training.distillation import teacher_outputs, without_teacher


class Objective:
    """What training minimises.

    Args:
        training: says which techniques are on.
        autocast: makes the context of the forward pass.
        backward: takes a loss and adds its gradients (`Accelerator.backward`).

    Raises:
        UserError: a technique is on that the family has nothing for.
    """

    def __init__(
        self,
        family: Model[Any, Any],
        training: TrainingSpec,
        autocast: Callable[[], AbstractContextManager[Any]],
        backward: Callable[[torch.Tensor], None],
    ) -> None:
        self.family = family
        if training.rdrop is not None and not isinstance(family, SupportsRDrop):
            raise UserError(
                f"the family {family.spec.family} has no R-Drop", where="training.rdrop", hint="leave it out"
            )
        self.rdrop = training.rdrop
        self.mixup: float | None = getattr(training, "mixup", None)
        self.contrast: float | None = getattr(training, "contrast", None)
        self.fgm = training.fgm
        self.distillation = training.distillation or DistillationSpec()
        self._autocast = autocast
        self._backward = backward

    def backward(self, model: nn.Module, batch: Batch, scale: float) -> torch.Tensor:
        """Add the gradients of the batch's summed loss times `scale`; return that loss, detached.

        With FGM the gradients of the adversarial loss are added as well; what is returned is the plain one.
        """
        if self.fgm is None:
            loss = self._loss(model, batch) * scale
            self._backward(loss)
            return loss.detach()
        with _watched_embeddings(model) as embeddings:
            loss = self._loss(model, batch) * scale
            self._backward(loss)
            embeddings.step_away(self.fgm)
            self._backward(self._loss(model, batch) * scale)
        return loss.detach()

    def _loss(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        if self.rdrop is not None:
            return self._rdrop(model, batch, self.rdrop)
        if self.mixup is not None:
            return self._mixup(model, batch, self.mixup)
        return self._plain(self._outputs(model, batch), batch)

    def _plain(self, outputs: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """The loss of the labels and of pairs; with a teacher, its share of it is the divergence from its outputs."""
        loss, taught = self.family.loss(outputs, batch), teacher_outputs(batch)
        if self.contrast:
            assert isinstance(self.family, SupportsContrast)  # or its spec would not have the field
            loss = loss + self.contrast * self.family.contrast(outputs, batch)
        if not taught:
            return loss
        assert isinstance(self.family, SupportsDistillation)  # or the teacher would not have opened
        share = self.distillation.weight
        divergence = self.family.distillation(outputs, taught, batch, self.distillation.temperature)
        return (1 - share) * loss + share * divergence

    def _outputs(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        with self._autocast():
            return self.family.outputs(model, without_teacher(batch))

    def _rdrop(self, model: nn.Module, batch: Batch, alpha: float) -> torch.Tensor:
        """Half of R-Drop's loss (Liang et al. 2021), so that alpha 0 is the plain loss: both passes in one batch."""
        twice = {name: torch.cat([value, value]) for name, value in batch.items()}
        both = self._outputs(model, twice)
        one, other = ({name: value.chunk(2)[i] for name, value in both.items()} for i in (0, 1))
        plain = 0.5 * self._plain(both, twice)
        assert isinstance(self.family, SupportsRDrop)
        return plain + 0.5 * alpha * self.family.divergence(one, other, batch)

    def _mixup(self, model: nn.Module, batch: Batch, alpha: float) -> torch.Tensor:
        """Manifold mixup (Verma et al. 2019) of what the head reads: each row with another of its batch."""
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        partner = torch.randperm(len(next(iter(batch.values()))))
        with mixed_representations(model, share, partner):
            outputs = self._outputs(model, batch)
        others = {name: value[partner.to(value.device)] for name, value in batch.items()}
        return share * self._plain(outputs, batch) + (1 - share) * self._plain(outputs, others)


@contextmanager
def mixed_representations(model: nn.Module, share: float, partner: torch.Tensor) -> Iterator[None]:
    """Within: what the head reads is `share` of each row and the rest of its partner (int64 [rows]).

    Raises:
        UserError: the model has no head that reads one representation a row.
    """
    model = getattr(model, "module", model)
    trunk = trunk_of(model)
    parts = [part for part in model.children() if part is not trunk]
    # `score` reads each token, and one is picked later.
    if trunk is model or not parts or hasattr(model, "score"):
        raise UserError(
            f"{type(model).__name__} has no head that reads one representation a row",
            where="training.mixup",
            hint="leave mixup out, or take an encoder as base model",
        )
    todo = [True]

    def mix(part: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not todo:
            return None
        todo.clear()  # the first part of the head that is called sees the trunk's output; the others follow it
        first, *rest = args
        return (share * first + (1 - share) * first[partner.to(first.device)], *rest)

    handles = [part.register_forward_pre_hook(mix) for part in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Embeddings:
    """Sees the word embeddings of a pass, and moves those of the next one. The weights are never touched."""

    def __init__(self) -> None:
        self.seen: torch.Tensor | None = None
        self.away: torch.Tensor | None = None

    def __call__(self, module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        if self.away is not None:
            return output + self.away.to(output.dtype)
        if not output.requires_grad:  # frozen embeddings
            output = output.detach().requires_grad_()
        output.retain_grad()
        self.seen = output
        return output

    def step_away(self, epsilon: float) -> None:
        """Up the gradient by `epsilon`, the length of the step of each row (Miyato et al. 2017, equation 5)."""
        assert self.seen is not None
        assert self.seen.grad is not None
        gradient = self.seen.grad.float()
        length = gradient.flatten(1).norm(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
        self.away = epsilon * gradient / length[:, None, None]
        self.seen = None


@contextmanager
def _watched_embeddings(model: nn.Module) -> Iterator[_Embeddings]:
    watcher = _Embeddings()
    bare: Any = getattr(model, "module", model)
    handle = bare.get_input_embeddings().register_forward_hook(watcher)
    try:
        yield watcher
    finally:
        handle.remove()
