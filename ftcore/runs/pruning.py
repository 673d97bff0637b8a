"""`export.prune_vocab`: the fine-tuned model with a smaller vocabulary, checked on real rows against the whole one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ftcore.data.features import FeatureStore
from ftcore.errors import UserError
from ftcore.evaluation.predict import predict
from ftcore.families.bound import BoundFamily
from ftcore.spec.export import PruneSpec
from ftcore_export.parity import compare
from ftcore_export.prune_vocab import prune
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.special_tokens import unknown_id


def prune_vocabulary(
    model: torch.nn.Module,
    old: TextEncoder,
    spec: PruneSpec,
    counts: np.ndarray,
    answers: Callable[[TextEncoder], ModelAnswers],
) -> tuple[TextEncoder, dict[str, Any]]:
    """Take the pieces out of `model` (in place) that training rows and `spec.scripts` do not use.

    Args:
        old: what it reads with.
        counts: of each piece in the training rows, int64 [pieces].
        answers: what the model answers as it is, reading with an encoder; see `ModelAnswers.of`.

    Returns:
        the encoder with the smaller vocabulary, and what changed on the validation rows, as JSON.

    Raises:
        UserError: the model also writes text, or the tokenizer is of a kind that cannot be pruned.
    """
    if model.get_output_embeddings() is not None:  # type: ignore[operator]
        raise UserError(
            "only of models that read text, not of those that write it", where="export.prune_vocab"
        )
    whole = answers(old)
    pruned = prune(old.tokenizer, np.flatnonzero(counts >= spec.min_count), spec.scripts, old.config.pad_id)
    embedding: torch.nn.Embedding = model.get_input_embeddings()  # type: ignore[operator]
    before = embedding.num_embeddings
    with torch.no_grad():
        embedding.weight = torch.nn.Parameter(embedding.weight[torch.tensor(pruned.kept)].clone())
    embedding.num_embeddings = len(pruned.kept)
    encoder = TextEncoder(pruned.tokenizer, old.config)  # ids up to that of padding are kept
    cut = answers(encoder)
    kept = np.array(pruned.kept)
    alike = _split_alike(whole, cut, kept)
    then, now = np.array([pair for row in alike for pair in row], np.int64).reshape(-1, 2).T
    parity = compare({}, {}, whole.answers, cut.answers, range(len(whole.answers)))
    exact = compare(
        {name: values[then] for name, values in whole.outputs.items()},
        {name: values[now] for name, values in cut.outputs.items()},
        [],
        [],
        [],
    )
    return encoder, {
        "pieces_before": before,
        "pieces_after": len(pruned.kept),
        "inputs": len(alike),
        "inputs_split_otherwise": sum(not row for row in alike),
        "max_abs_diff_of_inputs_split_alike": exact.max_abs_diff,
        "rows": parity.rows,
        "answers_that_flip": len(parity.flips),
        "unknown_before": _unknown(old, whole.ids),
        "unknown_after": _unknown(encoder, cut.ids),
    }


@dataclass(frozen=True)
class ModelAnswers:
    """What a model makes of some rows.

    Args:
        ids: token ids of each feature.
        row: int64 [features], ascending: index of the row of each.
        outputs: name -> array [features, ...].
        answers: one a row.
    """

    ids: list[np.ndarray]
    row: np.ndarray
    outputs: Mapping[str, np.ndarray]
    answers: Sequence[Any]

    @classmethod
    def of(
        cls,
        model: torch.nn.Module,
        family: BoundFamily,
        rows: pa.Table,
        batch_size: int,
        encoder: TextEncoder,
    ) -> ModelAnswers:
        """The answers of `model`, which reads `rows` with `encoder`."""
        with tempfile.TemporaryDirectory() as scratch:
            features = FeatureStore.build(rows, family.model, encoder, Path(scratch) / "features.arrow")
            outputs = predict(model, family, features, batch_size)
            answers = family.scoring.answers(outputs, features, rows)
            ids = [_filled(features, index, encoder) for index in range(len(features))]
        return cls(ids, features.row, outputs, answers)

    @property
    def features(self) -> list[np.ndarray]:
        """Indices of the features of each row: one, or windows."""
        return np.split(np.arange(len(self.row)), np.flatnonzero(np.diff(self.row)) + 1)


def _split_alike(whole: ModelAnswers, cut: ModelAnswers, kept: np.ndarray) -> list[list[tuple[int, int]]]:
    """The features of each row before and now, where all of its tokens are the same; none where they are not.

    Args:
        kept: int64 [pieces]: the former id of each piece.
    """
    found = []
    for before, now in zip(whole.features, cut.features, strict=True):
        pairs = list(zip(before.tolist(), now.tolist(), strict=False))
        same = len(before) == len(now) and all(
            np.array_equal(kept[cut.ids[new]], whole.ids[old]) for old, new in pairs
        )
        found.append(pairs if same else [])
    return found


def _filled(features: FeatureStore, index: int, encoder: TextEncoder) -> np.ndarray:
    ids: np.ndarray = features.batch(np.array([index]))["input_ids"][0].numpy()
    length = int(features.lengths[index])
    return ids[-length:] if encoder.config.pad_side == "left" else ids[:length]


def _unknown(encoder: TextEncoder, ids: list[np.ndarray]) -> float:
    """Share of unknown pieces; 0 where the tokenizer has none (it spells in bytes)."""
    unknown = unknown_id(encoder.tokenizer)
    return 0.0 if unknown is None else float((np.concatenate(ids) == unknown).mean())
