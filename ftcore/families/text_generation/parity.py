"""Generating graphs compared with torch: logits of real targets, and answers token for token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ftcore.families.export import Comparison, Responses
from ftcore.families.model import Stored
from ftcore.families.text_generation.model import TextModel
from ftcore.modeling.device import device_of, to_device
from ftcore_export.parity import TIE, Flip, Parity
from ftcore_runtime.generation.generator import Generator
from ftcore_runtime.generation.packing import unpack
from ftcore_runtime.generation.running import Generated
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.softmax import log_softmax

_ROWS = 8  # of which logits over the whole vocabulary are held at a time


def token_by_token(
    family: TextModel,
    model: Any,  # noqa: ANN401 (a PreTrainedModel)
    features: Stored,
    reference: Responses,
    ids: Sequence[Any],
) -> Comparison:
    """Parity of generated answers: a row flips where a token differs that torch itself did not hold for a tie."""

    def compare(pipeline: Pipeline, candidate: Responses) -> Parity:
        widest = _largest_difference(family, model, pipeline.generator, features)
        flips, ties = [], 0
        pairs = zip(unpack(reference[0]), unpack(candidate[0]), strict=True)
        for row, (expected, got) in enumerate(pairs):
            if np.array_equal(expected[0].ids, got[0].ids):
                continue
            margin = _margin(family, model, features, row, expected[0], got[0])
            if margin <= TIE:
                ties += 1
            else:
                flips.append(Flip(ids[row], reference[1][row].to_json(), candidate[1][row].to_json(), margin))
        return Parity(len(ids), widest, flips, ties)

    return compare


def _largest_difference(family: TextModel, model: Any, generator: Generator, features: Stored) -> float:  # noqa: ANN401
    """Largest absolute difference of any logit where a target's token is predicted (teacher forcing)."""
    widest = 0.0
    for start in range(0, len(features), _ROWS):
        batch = features.batch(np.arange(start, min(start + _ROWS, len(features))))
        with torch.inference_mode():
            expected = (
                family.outputs(model, to_device(batch, device_of(model)))["logits"].float().cpu().numpy()
            )
        learnt = family.learnt(batch).numpy()
        inputs, tokens = family.forced(batch)
        actual = generator.model().logits(inputs, tokens)
        # A decoder alone reads all: its last tokens are the answer, each predicted by the one before it.
        if tokens is inputs["input_ids"]:
            actual = actual[:, -1 - expected.shape[1] : -1]
        difference = np.abs(expected[learnt] - actual[learnt])
        widest = max(widest, float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0)))
    return widest


def _margin(
    family: TextModel,
    model: Any,  # noqa: ANN401
    features: Stored,
    row: int,
    expected: Generated,
    got: Generated,
) -> float:
    """By how much torch prefers its answer: of beams their scores, else probability at the first token that differs."""
    if family.settings.num_beams > 1:
        return abs(expected.score - got.score)
    length = min(len(expected.ids), len(got.ids))
    differs = np.flatnonzero(expected.ids[:length] != got.ids[:length])
    if not len(differs):  # one is the beginning of the other: they were cut, or an end token was repeated
        return 1.0
    at = int(differs[0])
    inputs, prompt = family.prompts(features.batch(np.array([row])))
    common = expected.ids[None, :at]
    if prompt is inputs["input_ids"]:
        inputs["attention_mask"] = np.append(inputs["attention_mask"], np.ones_like(common), axis=1)
    with torch.inference_mode():
        logits = family.sequences(model).start(inputs, np.concatenate([prompt, common], axis=1))
    chance = np.exp(log_softmax(logits[0]))
    return float(chance[expected.ids[at]] - chance[got.ids[at]])
