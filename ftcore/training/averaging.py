"""Averages of the weights: what is evaluated and kept in place of the weights of the last step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from ftcore.spec.training import TrainingSpec

Tensors = dict[str, torch.Tensor]


class WeightAverage(ABC):
    """An average of the weights of the trainable parameters of one model.

    Args:
        model: on the device it trains on.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}

    def _copy(self) -> Tensors:
        return {name: p.detach().clone() for name, p in self._parameters.items()}

    @property
    @abstractmethod
    def tensors(self) -> Tensors:
        """The whole state, live: checkpoints write these tensors and fill them in place."""

    def after_step(self) -> None:  # noqa: B027 (nothing to note, unless a subclass says so)
        """Take note of an optimizer step."""

    def before_evaluation(self, step: int) -> None:  # noqa: B027
        """Take note that the model is about to be evaluated, after optimizer step `step`."""

    @abstractmethod
    def weights(self) -> Mapping[str, torch.Tensor]:
        """The average by parameter name."""

    @torch.no_grad()
    def put_into_model(self) -> None:
        """Replace the model's weights by the average."""
        for name, value in self.weights().items():
            self._parameters[name].copy_(value)

    @contextmanager
    def in_model(self, step: int) -> Iterator[None]:
        """Within: the model has the weights to evaluate after step `step`. Then, bit for bit, its own."""
        self.before_evaluation(step)
        own = self._copy()
        self.put_into_model()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in self._parameters.items():
                    parameter.copy_(own[name])


class Ema(WeightAverage):
    """Exponential moving average: d * average + (1 - d) * weights after each step, from the first weights on.

    d is the smaller of `decay` and (1 + n) / (10 + n) in step n, so that short trainings are averaged over the few
    steps they have (TensorFlow's ExponentialMovingAverage; Polyak and Juditsky 1992).
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        super().__init__(model)
        self._decay = decay
        self._steps = torch.zeros((), dtype=torch.int64)
        self._average = self._copy()

    @property
    def tensors(self) -> Tensors:
        """The average, and how many steps it has seen."""
        return {"steps": self._steps, **self._average}

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the average towards the weights."""
        self._steps += 1
        steps = int(self._steps)
        kept = min(self._decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(self._average.values()), list(self._parameters.values()), 1.0 - kept)

    def weights(self) -> Mapping[str, torch.Tensor]:
        """The average by parameter name."""
        return self._average


class LatestAverage(WeightAverage):
    """Mean of the weights at the last `count` evaluations (checkpoint averaging, Vaswani et al. 2017).

    Every evaluation sees the mean that it adds to, so the best checkpoint is the best mean (Kaddour 2022).
    """

    def __init__(self, model: torch.nn.Module, count: int) -> None:
        super().__init__(model)
        self._seen = torch.zeros((), dtype=torch.int64)
        self._last = torch.zeros((), dtype=torch.int64)
        self._kept = [self._copy() for _ in range(count)]

    @property
    def tensors(self) -> Tensors:
        """Every copy, `<number>/<parameter>`, how many evaluations there were, and the step of the last."""
        kept = {f"{i}/{name}": t for i, one in enumerate(self._kept) for name, t in one.items()}
        return {"seen": self._seen, "last": self._last, **kept}

    @torch.no_grad()
    def before_evaluation(self, step: int) -> None:
        """Copy the weights as they are over the oldest copy; once only, if an evaluation is taken up again."""
        if step == int(self._last):
            return
        self._last.fill_(step)
        oldest = self._kept[int(self._seen) % len(self._kept)]
        for name, parameter in self._parameters.items():
            oldest[name].copy_(parameter)
        self._seen += 1

    def weights(self) -> Mapping[str, torch.Tensor]:
        """The mean by parameter name; the first weights before the first evaluation."""
        filled = self._kept[: max(int(self._seen), 1)]
        return {name: torch.stack([one[name] for one in filled]).mean(0) for name in self._parameters}


def make_average(model: torch.nn.Module, training: TrainingSpec) -> WeightAverage | None:
    """The average that the spec asks for; made once the model is on its device."""
    if training.ema:
        return Ema(model, training.ema.decay)
    if training.average_last:
        return LatestAverage(model, training.average_last)
    return None
