"""Gradients of a run's model as explanations: integrated ones, and gradient x input.

Layer integrated gradients say what each word adds to the score between no words and the text:

Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", by captum, over the word embeddings. The
baseline has the mask token (or padding) in the place of every word; special tokens stay. Weights sum up to the
difference of the score from that of the baseline, but for the error of the sum over steps, the convergence delta.
Gradient x input (Shrikumar et al. 2016) is the same from one gradient, and what the better method is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ftcore.data.masking import mask_id, special_ids
from ftcore.errors import UserError
from ftcore.evaluation.answering_model import AnsweringModel
from ftcore.evaluation.token_parts import of_parts
from ftcore.families.model import Batch, SupportsAttribution
from ftcore_runtime.explanations.explanation import Explanation, Reason
from ftcore_runtime.explanations.faithfulness import measure_faithfulness
from ftcore_runtime.explanations.occlusion import Steps, chosen_targets, drive
from ftcore_runtime.explanations.parts import CutInput
from ftcore_runtime.inputs import Input

GRADIENTS, SIMPLE = "gradients", "gradient-x-input"

_STEPS = (32, 128, 512)  # more where the sum has not converged
_DELTA = 0.01  # of the difference, at which it has
_BATCH = 32


def explain_by_gradients(
    answers: AnsweringModel,
    item: Input,
    targets: Sequence[str] = (),
    *,
    faithfulness: bool = True,
    method: str = GRADIENTS,
) -> Explanation:
    """Explain the answer to `item`; scores and weights are log-odds of a label, or numbers.

    Args:
        method: `GRADIENTS` or `SIMPLE`.
        targets, faithfulness: see `occlude`; faithfulness is measured by the answers' own scores.

    Raises:
        UserError: the family has no score to differentiate, or the input is more than one feature.
        InputError: as `occlude` does.
    """
    if not isinstance(answers.family.model, SupportsAttribution):
        raise UserError(
            f"the family {answers.family.name} has no score that gradients could be taken of",
            where="--method",
            hint="use occlusion",
        )
    return drive(_steps(answers, item, targets, faithfulness, method), answers)


def _steps(
    answers: AnsweringModel, item: Input, targets: Sequence[str], faithfulness: bool, method: str
) -> Steps:
    (answer,) = yield [item]
    cut = CutInput(answers.decoder, item, answer)
    batch = answers.batch(cut.texts)
    reason = _integrated if method == GRADIENTS else _simple
    reasons = [reason(answers, cut, batch, target) for target in chosen_targets(answer, targets)]
    measured = None
    if faithfulness:
        first = reasons[0]
        tried = Reason(first.target, answer.support(first.target), first.weights)
        simple = _simple(answers, cut, batch, first.target) if method == GRADIENTS else None
        measured = yield from measure_faithfulness(cut, tried, simple=simple)
    return Explanation(method, cut.texts, answer, cut.parts, reasons, measured)


def _integrated(answers: AnsweringModel, cut: CutInput, batch: Batch, target: str) -> Reason:
    """With the convergence delta as a share."""
    from captum.attr import LayerIntegratedGradients

    score, layer, ids, extras = _differentiable(answers, batch, target)
    gradients = LayerIntegratedGradients(score, layer)
    baseline = _without_words(answers, ids)
    with torch.no_grad():
        whole, nothing = (float(score(one, *extras)) for one in (ids, baseline))
    for steps in _STEPS:
        found, missed = gradients.attribute(
            ids,
            baselines=baseline,
            additional_forward_args=extras,
            n_steps=steps,
            internal_batch_size=_BATCH,
            return_convergence_delta=True,
        )
        delta = abs(float(missed)) / max(abs(whole - nothing), 1e-9)
        if delta < _DELTA:
            break
    return Reason(target, whole, _of_words(answers, cut, found), delta)


def _simple(answers: AnsweringModel, cut: CutInput, batch: Batch, target: str) -> Reason:
    from captum.attr import LayerGradientXActivation

    score, layer, ids, extras = _differentiable(answers, batch, target)
    found = LayerGradientXActivation(score, layer).attribute(ids, additional_forward_args=extras)
    with torch.no_grad():
        whole = float(score(ids, *extras))
    return Reason(target, whole, _of_words(answers, cut, found))


def _differentiable(
    answers: AnsweringModel, batch: Batch, target: str
) -> tuple[Callable[..., torch.Tensor], Any, torch.Tensor, tuple[torch.Tensor, ...]]:
    """The score as a function of ids and the rest of the batch; the layer of the word embeddings; ids and rest."""
    model, family = answers.model, answers.family.model
    assert isinstance(family, SupportsAttribution)
    others = {name: value for name, value in batch.items() if name != "input_ids"}

    def score(ids: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        read = {"input_ids": ids, **dict(zip(others, values, strict=True))}
        return family.attributed(answers.family.model.outputs(model, read), target)

    layer: Any = model.get_input_embeddings()  # type: ignore[operator]  # transformers' models have it
    return score, layer, batch["input_ids"], tuple(others.values())


def _of_words(answers: AnsweringModel, cut: CutInput, found: torch.Tensor) -> list[float]:
    """What tokens are given, float [1, tokens, size], as weights of the parts."""
    values = found[0].sum(dim=-1).detach().double().cpu().numpy()
    weights: list[float] = of_parts(answers, list(cut.texts.values()), cut.parts, values).tolist()
    return weights


def _without_words(answers: AnsweringModel, ids: torch.Tensor) -> torch.Tensor:
    """The ids with the mask token, or padding, in the place of all that is not special."""
    encoder = answers.encoder
    hidden = mask_id(encoder)
    special = torch.from_numpy(special_ids(encoder)).to(ids.device)
    return torch.where(torch.isin(ids, special), ids, encoder.config.pad_id if hidden is None else hidden)
