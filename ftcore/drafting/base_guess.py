"""A base model that is at hand for a task, and how long its inputs are; without torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.errors import UserError
from ftcore.locate import is_local, locate
from ftcore.spec.bases import packaged_models
from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.files import open_regular
from ftcore_runtime.special_tokens import unknown_id

#: What to take where no package carries a model.
OF_THE_HUB = "sentence-transformers/all-MiniLM-L6-v2"
MULTILINGUAL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
_COVERED = 0.98  # share of the texts that are not cut
_STEP = 16  # lengths are multiples of it
_MANY_UNKNOWN, _MOST_UNKNOWN = 0.05, 0.5  # a run warns of the former, and refuses the latter
_DEFAULT = 256
_WHOLE = EncoderConfig(max_length=1 << 20, pad_id=0, pad_side="right", inputs=("input_ids",))


@dataclass(frozen=True)
class BaseGuess:
    """A base model for some texts.

    Args:
        ref: as `model.base` has it.
        why: in words.
        max_length: tokens that nearly all of the texts have, at most those that it reads.
        warning: what is wrong with it, if anything is.
    """

    ref: str
    why: str
    max_length: int
    warning: str | None = None


def guess_base(texts: Sequence[str], given: str | None, base_dir: Path) -> BaseGuess:
    """The base model of an installed package, else one of the Hub; with what its tokenizer makes of the texts.

    Args:
        texts: some inputs, as long as a row's texts together.
        given: the base model that was asked for.
        base_dir: what its path starts from.

    Raises:
        UserError: what was asked for is not there.
    """
    packaged = packaged_models()
    ref = given or (packaged[0] if packaged else OF_THE_HUB)
    why = (
        "as you said"
        if given
        else "installed here"
        if packaged
        else "of the Hub: no installed package carries one"
    )
    if not is_local(ref, base_dir):
        return BaseGuess(ref, why, _of_characters(texts))
    folder = locate(ref, base_dir)
    encoder = _encoder(folder / "tokenizer.json", ref)
    if encoder is None:
        return BaseGuess(ref, why, _DEFAULT)
    encoded = encoder.encode_batch([*texts])
    lengths = sorted(len(one.ids) for one in encoded)
    longest = lengths[int(_COVERED * (len(lengths) - 1))] if lengths else _DEFAULT
    unknown = unknown_id(encoder)
    total = sum(one.special_tokens_mask.count(0) for one in encoded)  # without those around a text
    share = 0.0 if unknown is None else sum(one.ids.count(unknown) for one in encoded) / max(1, total)
    if share > _MOST_UNKNOWN and given is None:
        why = f"of the Hub: the tokenizer of {ref} does not know {share:.0%} of the texts' tokens"
        return BaseGuess(MULTILINGUAL, why, _of_characters(texts))
    warning = None
    if share > _MANY_UNKNOWN:
        warning = (
            f"the tokenizer of {ref} does not know {share:.0%} of the texts' tokens: name a base model of their"
            f" language with --base, such as {MULTILINGUAL}"
        )
    return BaseGuess(ref, why, _rounded(longest, _positions(folder)), warning)


def _of_characters(texts: Sequence[str]) -> int:
    """Tokens, where no tokenizer is at hand: a third of the characters of ASCII texts, as many as those of others."""
    return _rounded(
        max((len(text) // 3 if text.isascii() else len(text) for text in texts), default=_DEFAULT), 512
    )


def _rounded(tokens: int, most: int) -> int:
    return max(_STEP, min(-(-tokens // _STEP) * _STEP, most))


def _encoder(file: Path, ref: str) -> Any:  # noqa: ANN401 (tokenizers has no types)
    """The tokenizer, which neither cuts nor fills up; None where the folder has none that can be read without torch."""
    if not file.is_file():
        return None
    with open_regular(file) as opened:
        encoder = TextEncoder.from_bytes(opened.read(), _WHOLE, f"{ref}: {file.name}").tokenizer
    encoder.no_truncation()
    encoder.no_padding()
    return encoder


def _positions(folder: Path) -> int:
    """Tokens that a model reads, at most 512 unless it is known to read fewer."""
    try:
        with open_regular(folder / "config.json") as file:
            found = json.loads(file.read()).get("max_position_embeddings")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"config.json cannot be read: {error}", where=str(folder)) from None
    return min(512, found) if isinstance(found, int) and found > 0 else 512
