"""Gradients of a run's model as explanations: integrated ones, and gradient x input.

Layer integrated gradients say what each word adds to the score between no words and the text:

Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", by captum, over the word embeddings. The
baseline has the mask token (or padding) in the place of every word that may be left out; special tokens stay, and so
does what the answer quotes. Weights sum up to the difference of the score from that of the baseline, but for the error
of the sum over steps, the convergence delta. Gradient x input (Shrikumar et al. 2016) is the same from one gradient,
and what the better method is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch

from ftcore.data.masking import mask_id
from ftcore.errors import UserError
from ftcore.evaluation.answering_model import AnsweringModel
from ftcore.evaluation.token_parts import of_parts, parts_of_tokens
from ftcore.families.model import Outputs, SupportsAttribution, SupportsSpanAttribution
from ftcore.families.token_span import token_span
from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders.windowed import PreparedWindows
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
    """Explain the answer to `item`; scores and weights are log-odds of a label, of where a span begins and ends and of
    the label of an entity, or numbers.

    Args:
        method: `GRADIENTS` or `SIMPLE`.
        targets, faithfulness: see `occlude`; faithfulness is measured by the answers' own scores.

    Raises:
        UserError: the family has no score to differentiate, the input is more than one feature, or is cut.
        InputError: as `occlude` does.
    """
    return drive(_steps(answers, item, targets, faithfulness, method), answers)


def _steps(
    answers: AnsweringModel, item: Input, targets: Sequence[str], faithfulness: bool, method: str
) -> Steps:
    (answer,) = yield [item]
    cut = CutInput(answers.decoder, item, answer)
    gradients = Gradients(answers, cut, answer)
    reasons = [reason for one in chosen_targets(answer, targets) for reason in gradients.reasons(one, method)]
    measured = None
    if faithfulness:
        first = reasons[0]
        tried = Reason(first.target, answer.support(first.target), first.weights)
        simple = gradients.reasons(first.target, SIMPLE)[0] if method == GRADIENTS else None
        measured = yield from measure_faithfulness(cut, tried, simple=simple)
    return Explanation(method, cut.texts, answer, cut.parts, reasons, measured)


@dataclass(frozen=True)
class _Attribution:
    """What tokens add to a score.

    Args:
        score: of the input.
        tokens: float [tokens].
        difference: what they should sum up to; None of gradient x input.
    """

    score: float
    tokens: torch.Tensor
    difference: float | None

    def __add__(self, other: _Attribution) -> _Attribution:
        """Of the sum of two scores."""
        known = self.difference is not None and other.difference is not None
        difference = self.difference + other.difference if known else None  # type: ignore[operator]
        return _Attribution(self.score + other.score, self.tokens + other.tokens, difference)

    @property
    def delta(self) -> float | None:
        """By how much they miss the difference, as a share of it."""
        if self.difference is None:
            return None
        return abs(float(self.tokens.sum()) - self.difference) / max(abs(self.difference), 1e-9)


class Gradients:
    """Attributes the scores of a model to the parts of one input.

    Args:
        cut: the input.
        answer: to it, of this model or of another whose answer is to be explained.

    Raises:
        UserError: see `explain_by_gradients`.
    """

    def __init__(self, answers: AnsweringModel, cut: CutInput, answer: Answer) -> None:
        family = answers.family
        if not isinstance(family.model, SupportsAttribution | SupportsSpanAttribution):
            raise UserError(
                f"the family {family.name} has no score that gradients could be taken of",
                where="--method",
                hint="use occlusion",
            )
        self._answers, self._family, self._answer = answers, family.model, answer
        self._prepared = answers.decoder.prepare([cut.texts], answers.encoder)
        batch = answers.batch(self._prepared)
        self._ids = batch.pop("input_ids")
        self._rest = batch
        self._count = len(cut.parts)
        self._parts = parts_of_tokens(answers, cut, self._ids.shape[1])
        self._layer: Any = answers.model.get_input_embeddings()  # type: ignore[operator]  # transformers' have it

    def reasons(self, target: str, method: str = GRADIENTS) -> list[Reason]:
        """The reasons of a target: the whole, then its edges if it has any, whose scores add up to the whole's."""
        attribute = self._integrated if method == GRADIENTS else self._simple
        edges = {edge: attribute(score) for edge, score in self._scores(target).items()}
        apart = len(edges) > 1 and self._answer.place(target) is not None  # no answer begins nowhere
        found = {"": reduce(_Attribution.__add__, edges.values()), **(edges if apart else {})}
        return [self._reason(target, edge, one) for edge, one in found.items()]

    def _reason(self, target: str, edge: str, found: _Attribution) -> Reason:
        weights = of_parts(found.tokens.double().cpu().numpy(), self._parts, self._count)
        return Reason(target, found.score, weights.tolist(), found.delta, edge)

    def _scores(self, target: str) -> Mapping[str, Callable[..., torch.Tensor]]:
        """Edge -> score as a function of ids and the rest of the batch."""
        family = self._family
        if isinstance(family, SupportsAttribution):
            return {"": self._scored(lambda outputs: family.attributed(outputs, target))}
        assert isinstance(family, SupportsSpanAttribution)
        assert isinstance(self._prepared, PreparedWindows)
        span = token_span(self._prepared.places, self._answer.place(target))
        with torch.no_grad():
            edges = family.attributed_span(self._outputs(self._ids, *self._rest.values()), span)
        return {
            edge: self._scored(lambda outputs, edge=edge: family.attributed_span(outputs, span)[edge])  # type: ignore[misc]
            for edge in edges
        }

    def _scored(self, score: Callable[[Outputs], torch.Tensor]) -> Callable[..., torch.Tensor]:
        return lambda ids, *rest: score(self._outputs(ids, *rest))

    def _outputs(self, ids: torch.Tensor, *rest: torch.Tensor) -> dict[str, torch.Tensor]:
        batch = {"input_ids": ids, **dict(zip(self._rest, rest, strict=True))}
        made: dict[str, torch.Tensor] = self._answers.family.model.outputs(self._answers.model, batch)
        return made

    def without_words(self) -> torch.Tensor:
        """The ids with the mask token, or padding, in the place of all that is of a part; int64 [1, tokens]."""
        encoder = self._answers.encoder
        hidden = mask_id(encoder)
        words = torch.from_numpy(self._parts >= 0).to(self._ids.device)
        return torch.where(words, encoder.config.pad_id if hidden is None else hidden, self._ids)

    def _integrated(self, score: Callable[..., torch.Tensor]) -> _Attribution:
        from captum.attr import LayerIntegratedGradients

        gradients = LayerIntegratedGradients(score, self._layer)
        baseline, rest = self.without_words(), tuple(self._rest.values())
        with torch.no_grad():
            whole, nothing = (float(score(one, *rest)) for one in (self._ids, baseline))
        for steps in _STEPS:
            found = gradients.attribute(
                self._ids,
                baselines=baseline,
                additional_forward_args=rest,
                n_steps=steps,
                internal_batch_size=_BATCH,
            )
            made = _Attribution(whole, _of_tokens(found), whole - nothing)
            if made.delta is not None and made.delta < _DELTA:
                break
        return made

    def _simple(self, score: Callable[..., torch.Tensor]) -> _Attribution:
        from captum.attr import LayerGradientXActivation

        rest = tuple(self._rest.values())
        found = LayerGradientXActivation(score, self._layer).attribute(
            self._ids, additional_forward_args=rest
        )
        with torch.no_grad():
            return _Attribution(float(score(self._ids, *rest)), _of_tokens(found), None)


def _of_tokens(found: torch.Tensor) -> torch.Tensor:
    """Sums over what the embeddings, float [1, tokens, size], are given."""
    return found[0].sum(dim=-1).detach()
