"""Whether a text's answer depends on its batch-mates: each alone, and among others in batches of every kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftcore_export.parity import compare
from ftcore_runtime.inputs import Input
from ftcore_runtime.pipeline import Pipeline

#: Largest difference, in standard deviations of the output, that passes for rounding: kernels add in another order
#: in another batch, and where an activation is quantised, a last digit may move it to the next of its 255 steps.
ROUNDING = 0.02
_ROWS, _GENERATED = 48, 16  # texts take longer to write
_SHUFFLES = (2, 7, 32)  # batch sizes


@dataclass(frozen=True)
class Invariance:
    """How far batch-mates, padding and order moved the answers.

    Args:
        rows: inputs tried, each in `batches` batches and alone.
        batches: batches that each input was tried in.
        largest: largest difference of an output, in standard deviations of that output over the inputs.
        changed: answers that became others, where the model was not undecided.
    """

    rows: int
    batches: int
    largest: float
    changed: int

    @property
    def holds(self) -> bool:
        """Whether answers are the same in any batch, up to rounding."""
        return self.changed == 0 and self.largest <= ROUNDING

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"rows": self.rows, "batches": self.batches, "largest": self.largest, "changed": self.changed}


def measure_invariance(pipeline: Pipeline, inputs: Sequence[Input], seed: int = 0) -> Invariance:
    """Answer inputs alone, then shuffled in batches of 2 to 32, where the short ones are padded to the longest.

    Args:
        inputs: as `Pipeline.predict` takes them; of many, 48 that are spread over the list are taken, or 16 for which
            texts are written, and a few more that are made up (see `_probes`).
    """
    most = _GENERATED if pipeline.generates else _ROWS
    chosen = [inputs[index] for index in np.unique(np.linspace(0, len(inputs) - 1, most).astype(int))]
    chosen += _probes(chosen[0], pipeline) if chosen else []
    most = len(chosen)
    shuffles = sorted({min(size, most) for size in _SHUFFLES})
    alone, answers = pipeline.respond(chosen, batch_size=1)
    owners = pipeline.decoder.prepare(chosen, pipeline.encoder).row
    features = [np.flatnonzero(owners == index) for index in range(len(chosen))]
    spread = {name: float(values[np.isfinite(values)].std()) for name, values in alone.items()}
    draw = np.random.default_rng(seed)
    largest = 0.0
    changed: set[int] = set()
    for size in shuffles:
        order = draw.permutation(len(chosen))
        for start in range(0, len(order), size):
            mates = order[start : start + size]
            batch = [chosen[index] for index in mates]
            rows = np.concatenate([features[index] for index in mates])
            together, again = pipeline.respond(batch, batch_size=len(rows))
            # Texts are compared as texts: what else a search keeps of them has no one shape.
            if not pipeline.generates:
                largest = max(largest, _moved(alone, rows, together, spread))
            compared = compare({}, {}, [answers[index] for index in mates], again, mates.tolist())
            changed.update(flip.row for flip in compared.flips)
    return Invariance(len(chosen), len(shuffles), largest, len(changed))


def _probes(like: Input, pipeline: Pipeline) -> list[Input]:
    """Inputs that tell models apart which look for one token of a text: equal, shortest, longest, with special tokens.

    Args:
        like: an input, whose texts are replaced.
    """
    added = pipeline.encoder.tokenizer.get_added_tokens_decoder().values()
    special = " ".join(token.content for token in added if token.special)
    texts = ["a", "a", f"a {special} b", f"{special} {special}".strip() or "b"]
    if not pipeline.generates:  # an answer to it would take as long
        texts.append("b c " * pipeline.encoder.config.max_length)
    return [_with_text(like, text) for text in texts]


def _with_text(like: Input, text: str) -> Input:
    if isinstance(like, str):
        return text
    if isinstance(like, Mapping):
        return dict.fromkeys(like, text)
    return (text, text)


def _moved(
    alone: Mapping[str, np.ndarray],
    rows: np.ndarray,
    together: Mapping[str, np.ndarray],
    spread: Mapping[str, float],
) -> float:
    """Largest difference of an output from what it is `alone`, in units of its `spread`."""
    largest = 0.0
    for name, values in together.items():
        wanted = alone[name][rows]
        if values.ndim > 1:  # by token: as wide as the longest of this batch
            wanted = wanted[:, : values.shape[1]]
        found = compare({name: wanted}, {name: values}, [], [], [])
        largest = max(largest, found.max_abs_diff / max(spread[name], 1e-12))
    return largest
