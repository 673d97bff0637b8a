"""Whether a tokenizer is the model's own: there at all, with ids that the model has, and the same marks."""

from __future__ import annotations

from typing import Any

import transformers

from ftcore.errors import ModelError
from ftcore.spec.base_folder import require_room


def require_ids(tokenizer: Any, config: transformers.PretrainedConfig, where: str) -> None:  # noqa: ANN401
    """Refuse a tokenizer with ids that the model has no embedding of.

    Raises:
        ModelError: it has.
    """
    tokens = max(tokenizer.get_vocab().values(), default=-1) + 1
    both = isinstance(config, transformers.EncoderDecoderConfig)
    for part in (config.encoder, config.decoder) if both else (config,):
        require_room(tokens, getattr(part.get_text_config(), "vocab_size", None), where)
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
