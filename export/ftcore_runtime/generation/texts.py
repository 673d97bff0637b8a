"""Texts to framed ids and ids to texts, for training and serving alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from ftcore_runtime.encoding import Encoded, TextEncoder
from ftcore_runtime.generation.settings import TextFrame


def encode_sources(texts: Sequence[str], encoder: TextEncoder, frame: TextFrame) -> Encoded:
    """Sources in their frame, at most `encoder.config.max_length` ids each; what is cut is the text's own end.

    Raises:
        InputError: a text that is no valid Unicode.
    """
    room = max(0, encoder.config.max_length - len(frame.source_before) - len(frame.source_after))
    whole = [encoding.ids for encoding in encoder.tokens(texts)]
    ids = [[*frame.source_before, *own[:room], *frame.source_after] for own in whole]
    return Encoded(
        input_ids=ids,
        token_type_ids=None,
        lengths=np.fromiter(map(len, ids), np.int64, len(ids)),
        truncated=np.fromiter((len(own) > room for own in whole), bool, len(ids)),
    )


def encode_targets(
    texts: Sequence[str], encoder: TextEncoder, frame: TextFrame, max_length: int
) -> tuple[list[list[int]], np.ndarray]:
    """Targets after `target_before`, each with its end, and which were cut: bool [texts].

    Of what is more than `max_length` ids the end is missing, the end token too, which would be no true end.
    """
    framed = [
        [*frame.target_before, *encoding.ids, frame.eos_ids[0]] for encoding in encoder.target.tokens(texts)
    ]
    cut = np.fromiter((len(ids) > max_length for ids in framed), bool, len(framed))
    return [ids[:max_length] for ids in framed], cut


def decode_text(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of an answer, without special tokens and white space around it."""
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True)
    return text.strip()


class GrowingText:
    """An answer as it is written: what each of its tokens adds."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._shown = ""

    def add(self, token: int) -> str:
        """What a token more adds; nothing, of one that ends no character."""
        self._ids.append(token)
        whole = decode_text(self._tokenizer, self._ids)
        if whole.endswith("\ufffd") or not whole.startswith(self._shown):  # a character is not whole yet
            return ""
        added, self._shown = whole[len(self._shown) :], whole
        return added

    def rest(self) -> str:
        """What is left after the last token."""
        return decode_text(self._tokenizer, self._ids)[len(self._shown) :]
