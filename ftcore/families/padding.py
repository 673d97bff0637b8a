"""Which side a tokenizer fills up, for families whose answers point to tokens."""

from __future__ import annotations

from ftcore.errors import ModelError
from ftcore_runtime.encoding import TextEncoder


def require_right_padding(encoder: TextEncoder) -> None:
    """Refuse a tokenizer that fills up at the left.

    Raises:
        ModelError: it does.
    """
    if encoder.config.pad_side == "left":
        raise ModelError(
            "the tokenizer fills up at the left, which this family cannot read",
            hint="take a base model that fills up at the right: BERT, RoBERTa, DeBERTa, ELECTRA, ModernBERT...",
        )
