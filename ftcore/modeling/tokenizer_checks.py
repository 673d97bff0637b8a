"""Whether a tokenizer is the model's own: there at all, with ids that the model has, and the same marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers

from ftcore.errors import ModelError

#: Files of which one at least says what a tokenizer's pieces are.
_FILES = (
    "tokenizer.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.vocab",
    "tekken.json",
    "vocab-*",
    "source.spm",
)


def require_files(folder: Path) -> None:
    """Refuse a folder without a tokenizer, of which transformers would make an empty one.

    Raises:
        ModelError: there is no such file.
    """
    if not any(next(folder.glob(pattern), None) for pattern in _FILES):
        raise ModelError(
            "the base model's folder has no tokenizer",
            where=str(folder),
            hint="save it there with `tokenizer.save_pretrained(folder)`: tokenizer.json and tokenizer_config.json",
        )


def require_ids(tokenizer: Any, config: transformers.PretrainedConfig, where: str) -> None:  # noqa: ANN401
    """Refuse a tokenizer with ids that the model has no embedding of.

    Raises:
        ModelError: it has.
    """
    tokens = max(tokenizer.get_vocab().values(), default=-1) + 1
    both = isinstance(config, transformers.EncoderDecoderConfig)
    for part in (config.encoder, config.decoder) if both else (config,):
        rows = getattr(part.get_text_config(), "vocab_size", None)
        if isinstance(rows, int) and tokens > rows:
            raise ModelError(
                f"the tokenizer has {tokens:,} tokens, the model's embeddings {rows:,}",
                where=where,
                hint="the tokenizer is another model's; or enlarge the embeddings once, with"
                " `model.resize_token_embeddings(len(tokenizer))`",
            )
    if len(tokenizer.get_vocab()) <= len(set(tokenizer.all_special_ids)):
        raise ModelError("the tokenizer has special tokens and no others", where=where)


def readable_inputs(
    tokenizer: Any,  # noqa: ANN401 (transformers is not typed here)
    config: transformers.PretrainedConfig,
    inputs: tuple[str, ...],
    where: str,
) -> tuple[str, ...]:
    """The inputs without token types where the model has one type only.

    Raises:
        ModelError: the tokenizer makes types that the model does not have.
    """
    types = getattr(config, "type_vocab_size", None)
    if "token_type_ids" not in inputs or not isinstance(types, int) or types == 0:
        return inputs
    if types == 1:
        return tuple(name for name in inputs if name != "token_type_ids")
    largest = max(tokenizer("a", "a", return_token_type_ids=True)["token_type_ids"], default=0)
    if largest >= types:
        raise ModelError(
            f"the tokenizer makes token type {largest}, the model has {types} types", where=where
        )
    return inputs
