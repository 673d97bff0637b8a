"""Whether explanations rest on what a model has learnt: their rank correlation with those of random weights.

Adebayo et al. 2018, "Sanity Checks for Saliency Maps": the model parameter randomisation test, from the top. The same
answer of the same rows is explained once by the model, once with random weights in its head, and once with random
weights everywhere. An explanation that stays as it was says what the text looks like, not what the model learnt.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ftcore.errors import UserError
from ftcore.evaluation.answering_model import AnsweringModel
from ftcore.evaluation.gradients import Gradients
from ftcore.evaluation.intervals import Interval, of_mean
from ftcore.modeling.layers import head_depth, parameter_depths
from ftcore_runtime.answers import Answer
from ftcore_runtime.errors import InputError
from ftcore_runtime.explanations.occlusion import OCCLUSION, chosen_targets, what_is_lost
from ftcore_runtime.explanations.parts import CutInput
from ftcore_runtime.inputs import Input

Array = np.ndarray[Any, np.dtype[Any]]

#: Which weights are random, in the order in which a model loses them.
HEAD, ALL = "head", "all"

_DRAWS = 5  # of random weights: a row is compared with one of them
_FEWEST = 4  # parts of a row: fewer hardly have an order
_ALIKE = 0.5  # mean correlation from which explanations are called much the same


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation between the weights of a row's parts and those with random weights, over rows.

    Args:
        mean, interval: over the rows, with Student's 95 % interval.
        sizes, sizes_interval: the same of the weights without their signs.
    """

    mean: float
    interval: Interval
    sizes: float
    sizes_interval: Interval

    @property
    def alike(self) -> bool:
        """Whether either is so high that explanations are much the same."""
        return max(self.mean, self.sizes) >= _ALIKE


@dataclass(frozen=True)
class WeightRandomisation:
    """What the test found.

    Args:
        method: of the explanations.
        rows: that were compared.
        found: of `HEAD` and of `ALL`.
    """

    method: str
    rows: int
    found: dict[str, RankCorrelation]

    @property
    def passed(self) -> bool:
        """Whether explanations are others where nothing is left of what the model learnt."""
        return not self.found[ALL].alike

    def to_json(self) -> dict[str, Any]:
        """As a mapping."""
        return {
            "method": self.method,
            "rows": self.rows,
            "passed": self.passed,
            "random": {
                part: {
                    "correlation": one.mean,
                    "interval": [one.interval.low, one.interval.high],
                    "correlation_of_sizes": one.sizes,
                    "interval_of_sizes": [one.sizes_interval.low, one.sizes_interval.high],
                }
                for part, one in self.found.items()
            },
        }


def compare_with_random_weights(
    answers: AnsweringModel, inputs: Sequence[Input], method: str = OCCLUSION
) -> WeightRandomisation:
    """Explain the answer to each input by the model, and by the same with random weights.

    Args:
        inputs: rows; those of fewer than four parts, and those whose weights are all alike, are left out.
        method: `OCCLUSION`, or one of `explain_by_gradients`.

    Raises:
        UserError: as `explain_by_gradients` does; or fewer than two rows can be compared.
    """
    pairs: dict[str, list[tuple[Array, Array]]] = {HEAD: [], ALL: []}
    for draw in range(min(_DRAWS, len(inputs))):
        others = {part: _randomised(answers, part, draw) for part in pairs}
        for item in inputs[draw::_DRAWS]:
            if (asked := _asked(answers, item)) is None:
                continue
            cut, answer, target = asked
            own = _weights(answers, cut, answer, target, method)
            for part, other in others.items():
                pairs[part].append((own, _weights(other, cut, answer, target, method)))
    found = {part: list(_correlations(both)) for part, both in pairs.items()}
    if min(map(len, found.values())) < 2:
        raise UserError(
            f"fewer than two rows of {len(inputs)} have explanations that can be compared",
            where="--sanity",
            hint="take more --rows, or another --method",
        )
    return WeightRandomisation(
        method, len(found[ALL]), {part: _summary(values) for part, values in found.items()}
    )


def _asked(answers: AnsweringModel, item: Input) -> tuple[CutInput, Answer, str] | None:
    """A row in parts, the model's answer to it and what of that is explained; None where there is too little."""
    (answer,) = answers([item])
    try:
        target, cut = chosen_targets(answer, ())[0], CutInput(answers.decoder, item, answer)
    except InputError:  # no score to explain, or one word only
        return None
    return (cut, answer, target) if len(cut.parts) >= _FEWEST else None


def _weights(answers: AnsweringModel, cut: CutInput, answer: Answer, target: str, method: str) -> Array:
    """What a model's score of a target owes to each part, float64 [parts]; `answer` is that of the trained model."""
    if method == OCCLUSION:
        whole, *without = answers([cut.texts, *cut.each_removed()])
        return np.array(what_is_lost(target, whole, without)[0].weights)
    return np.array(Gradients(answers, cut, answer).reasons(target, method)[0].weights)


def _randomised(answers: AnsweringModel, part: str, seed: int) -> AnsweringModel:
    """The same model with weights of a part drawn from normal distributions of their tensors' means and deviations."""
    model = copy.deepcopy(answers.model)
    depths = parameter_depths(model)
    head = head_depth(depths)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if part == ALL or depths[name] == head:
                drawn = torch.randn(weight.shape, generator=draw).to(weight)
                weight.copy_(weight.mean() + weight.std(correction=0) * drawn)
    return AnsweringModel(model, answers.family, answers.encoder)


def _correlations(pairs: Sequence[tuple[Array, Array]]) -> Iterator[tuple[float, float]]:
    """Of each pair that has an order, with and without signs."""
    from scipy.stats import spearmanr

    for one, other in pairs:
        if np.ptp(one) and np.ptp(other) and np.ptp(abs(one)) and np.ptp(abs(other)):
            yield tuple(float(spearmanr(*both).statistic) for both in ((one, other), (abs(one), abs(other))))  # type: ignore[misc]


def _summary(values: Sequence[tuple[float, float]]) -> RankCorrelation:
    signed, sizes = np.array(values).T
    return RankCorrelation(float(signed.mean()), of_mean(signed), float(sizes.mean()), of_mean(sizes))
