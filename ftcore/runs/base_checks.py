"""What only the data show of a base model: words that it does not know, answers that other rows of a batch change."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from ftcore.data.features import FeatureStore
from ftcore.errors import ModelError
from ftcore.evaluation.predict import predict
from ftcore.families.bound import BoundFamily
from ftcore.families.reader import SupportsAugmentation
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.special_tokens import unknown_id

_WARNED, _REFUSED = 0.05, 0.5  # shares of unknown tokens
#: Largest difference, in standard deviations of an output, that passes for rounding.
_ROUNDING = 0.02


def check_unknown(features: FeatureStore, ref: str, warn: Callable[[str], None]) -> None:
    """Warn of a tokenizer that does not know many words of the training rows.

    Raises:
        ModelError: it does not know most of them.
    """
    unknown = unknown_id(features.encoder.tokenizer)
    counts = features.token_counts()
    if unknown is None or unknown >= len(counts):
        return
    added = features.encoder.tokenizer.get_added_tokens_decoder()
    frame = [
        index for index, token in added.items() if token.special and index != unknown and index < len(counts)
    ]
    share = float(counts[unknown] / max(1, counts.sum() - counts[frame].sum()))
    what = f"the tokenizer does not know {share:.0%} of the training rows' tokens"
    if share > _REFUSED:
        hint = "take a base model of the texts' language and script, and its own tokenizer"
        raise ModelError(what, where=ref, hint=hint)
    if share > _WARNED:
        warn(f"{what}; a base model of their language and script would read them")


def check_batch_mates(
    model: torch.nn.Module, family: BoundFamily, rows: pa.Table, encoder: TextEncoder, ref: str
) -> None:
    """Answer a few rows alone and among others: short and long ones, equal ones, ones that spell special tokens.

    Args:
        rows: some of any split.

    Raises:
        ModelError: an answer depends on the others of its batch.
    """
    reader = family.reader
    if not isinstance(reader, SupportsAugmentation) or not reader.texts:
        return
    rows = pa.concat_tables([rows, *(_probe(rows, reader.texts, text) for text in _texts(encoder))])
    with tempfile.TemporaryDirectory() as scratch:
        features = FeatureStore.build(rows, family.model, encoder, Path(scratch) / "features.arrow")
        alone = predict(model, family, features, 1)
        together = predict(model, family, features, len(features))
    for name, wanted in alone.items():
        found = together[name]
        if wanted.shape != found.shape or not np.isfinite(wanted).all():
            continue  # by token, as wide as the batch; or nothing to compare
        moved = float(np.abs(wanted - found).max(initial=0.0))
        if moved > _ROUNDING * float(wanted.std()) + 1e-4:
            raise ModelError(
                f"a {type(model).__name__} answers a text differently in a batch ({name} move by {moved:.2g})",
                where=ref,
                hint="take an encoder as base model (BERT, RoBERTa, DeBERTa, ModernBERT...), or a tokenizer that fills"
                " up at the right",
            )


def _texts(encoder: TextEncoder) -> list[str]:
    added = encoder.tokenizer.get_added_tokens_decoder().values()
    special = " ".join(token.content for token in added if token.special) or "</s>"
    return ["a", "a", f"a {special} b", "b c " * encoder.config.max_length]


def _probe(rows: pa.Table, names: Sequence[str], text: str) -> pa.Table:
    """The first row with this text in the place of each of its texts."""
    row = rows.slice(0, 1)
    for name in names:
        column = row.schema.get_field_index(name)
        row = row.set_column(column, row.schema.field(name), pa.array([text], row.schema.field(name).type))
    return row
