"""What the tokens of an input read from one another, as a picture: attention of the last layer, and attention rollout.

Rollout: Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers". Neither says what an answer rests on
(Jain and Wallace 2019, "Attention is not Explanation"), so no faithfulness is claimed.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch

from ftcore.errors import UserError
from ftcore.evaluation.answering_model import AnsweringModel
from ftcore.evaluation.token_parts import of_parts, parts_of_tokens
from ftcore_runtime.explanations.explanation import Explanation, Reason
from ftcore_runtime.explanations.occlusion import chosen_targets
from ftcore_runtime.explanations.parts import CutInput
from ftcore_runtime.inputs import Input

ROLLOUT, RAW = "attention", "raw-attention"
_NOTE = "attention is a picture of what tokens read from one another, not of what the answer rests on"


def attention_picture(answers: AnsweringModel, item: Input, method: str = ROLLOUT) -> Explanation:
    """The share of each word in what all tokens read, the mean over tokens (and heads).

    Args:
        method: `ROLLOUT` through all layers, or `RAW`, the last layer alone.

    Raises:
        UserError: the model gives no attention, or the input is more than one window.
        InputError: the input cannot be answered.
    """
    (answer,) = answers([item])
    cut = CutInput(answers.decoder, item, answer)
    layers = _layers(answers, cut)
    read = layers[-1] if method == RAW else reduce(torch.matmul, reversed([*map(_with_residual, layers)]))
    parts = parts_of_tokens(answers, cut, len(read))
    weights = of_parts(read.mean(dim=0).cpu().numpy(), parts, len(cut.parts))
    target = chosen_targets(answer, ())[0]
    reason = Reason(target, answer.support(target), weights.tolist())
    return Explanation(method, cut.texts, answer, cut.parts, [reason], note=_NOTE)


def _layers(answers: AnsweringModel, cut: CutInput) -> list[torch.Tensor]:
    """Attention of each layer, the mean over heads, float32 [tokens, tokens]; rows are the tokens that read."""
    batch = answers.batch(answers.decoder.prepare([cut.texts], answers.encoder))
    model: Any = answers.model
    try:
        model.set_attn_implementation("eager")  # others do not keep it
    except (AttributeError, ValueError) as error:
        raise UserError(f"{type(model).__name__} gives no attention", where="--method") from error
    with torch.inference_mode():
        found = model.base_model(**batch, output_attentions=True).attentions
    return [one[0].float().mean(dim=0) for one in found]


def _with_residual(attention: torch.Tensor) -> torch.Tensor:
    """Half of what a token becomes is itself: the residual connection."""
    mixed = attention + torch.eye(len(attention), device=attention.device)
    return mixed / mixed.sum(dim=-1, keepdim=True)
