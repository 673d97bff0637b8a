"""Texts to token ids, for training and serving alike: what was measured is what is served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from ftcore_runtime.errors import BundleError, InputError
from ftcore_runtime.fields import Fields
from ftcore_runtime.special_tokens import SpecialTokens
from ftcore_runtime.tokenizer_check import check_tokenizer

Side = Literal["right", "left"]

#: The file of a second tokenizer, in a model's folder and in a bundle.
TARGET_TOKENIZER = "target_tokenizer.json"
#: Graph inputs that a `TextEncoder` can make.
TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True)
class EncoderConfig:
    """How texts become graph inputs.

    Args:
        max_length: tokens of one input, special tokens included; longer ones are cut.
        pad_id: id that fills `input_ids` up to the longest row of a batch.
        pad_side: the side that is filled.
        inputs: the graph's input names in order, out of `TEXT_INPUTS`.
        encode_special_tokens: whether `</s>` or `[SEP]` within a text is text like any other; where not, as in bundles
            from before there was this field, it is read as the special token that it spells.
    """

    max_length: int
    pad_id: int
    pad_side: Side
    inputs: tuple[str, ...]
    encode_special_tokens: bool = True

    def to_json(self) -> dict[str, Any]:
        """As the bundle's manifest has it."""
        made = {
            "max_length": self.max_length,
            "pad_id": self.pad_id,
            "pad_side": self.pad_side,
            "inputs": list(self.inputs),
        }
        # Absent where it does not hold: an older bundle's manifest is written back as it was, with its fingerprint.
        return {**made, "encode_special_tokens": True} if self.encode_special_tokens else made

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str = "encoder") -> EncoderConfig:
        """Read what `to_json` wrote.

        Raises:
            BundleError: a key is missing, unknown or of the wrong type.
        """
        fields = Fields(value, where)
        inputs = fields.strings("inputs")
        if "input_ids" not in inputs or not set(inputs) <= set(TEXT_INPUTS):
            raise fields.error("inputs", f"expected input_ids and any of {', '.join(TEXT_INPUTS[1:])}")
        config = cls(
            max_length=fields.integer("max_length", minimum=4),
            pad_id=fields.token_id("pad_id"),
            pad_side="left" if fields.choice("pad_side", ("right", "left")) == "left" else "right",
            inputs=inputs,
            encode_special_tokens=fields.take("encode_special_tokens", bool)
            if fields.has("encode_special_tokens")
            else False,
        )
        fields.end()
        return config


@dataclass(frozen=True)
class Encoded:
    """Some texts (or pairs) as token ids, not padded.

    Args:
        input_ids: one list of ids a text.
        token_type_ids: likewise, 0 for the first text and 1 for the second; None where the graph reads none.
        lengths: int64 [texts]: ids of each text.
        truncated: bool [texts]: whether a text was cut at `max_length`.
    """

    input_ids: list[list[int]]
    token_type_ids: list[list[int]] | None
    lengths: NDArray[np.int64]
    truncated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def ragged(self) -> dict[str, list[list[int]]]:
        """Every list of ids by its graph input's name."""
        types = {} if self.token_type_ids is None else {"token_type_ids": self.token_type_ids}
        return {"input_ids": self.input_ids, **types}


class TextEncoder:
    """A tokenizer with the one way of cutting and padding that a model was trained with.

    Args:
        tokenizer: taken over: its own truncation and padding are replaced.
        config: see `EncoderConfig`.
        target: see the property; the same tokenizer unless given.
    """

    def __init__(
        self, tokenizer: Tokenizer, config: EncoderConfig, target: TextEncoder | None = None
    ) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(config.max_length, strategy="longest_first")
        tokenizer.encode_special_tokens = config.encode_special_tokens  # tokenizer.json does not keep it
        self.tokenizer = tokenizer
        self.config = config
        self._target = target

    @property
    def target(self) -> TextEncoder:
        """What tokenises texts that are generated: this one, unless sources and targets have a tokenizer each."""
        return self if self._target is None else self._target

    @classmethod
    def load(cls, path: str | Path, config: EncoderConfig) -> TextEncoder:
        """Read a `tokenizer.json`.

        Raises:
            BundleError: the file cannot be read or holds no tokenizer.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise BundleError(f"cannot be read: {error.strerror}", where=str(path)) from error
        return cls.from_bytes(data, config, where=str(path))

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        config: EncoderConfig,
        where: str = "tokenizer.json",
        target: TextEncoder | None = None,
    ) -> TextEncoder:
        """Read a tokenizer from the bytes of its `tokenizer.json`; raises as `load` and `check_tokenizer` do."""
        check_tokenizer(data, where)
        try:
            with _panics_refused(where):
                made = cls(Tokenizer.from_buffer(data), config, target)
                made.tokenizer.encode_batch_fast(["a", ("a", "b")])  # parts that do not fit show only now
                return made
        except BundleError:
            raise
        except Exception as error:  # tokenizers raises the bare class
            raise BundleError(f"holds no tokenizer: {str(error)[:200]}", where=where) from error

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of all that decides which ids a text gets: a key for caches of encoded texts."""
        parts = [json.dumps(self.config.to_json(), sort_keys=True), self.tokenizer.to_str()]
        if self._target is not None:
            parts.append(self._target.tokenizer.to_str())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @cached_property
    def untruncated(self) -> Tokenizer:
        """The same tokenizer once more, without truncation."""
        tokenizer = Tokenizer.from_str(self.tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = self.config.encode_special_tokens
        return tokenizer

    @cached_property
    def _special(self) -> SpecialTokens | None:
        """Those that the tokenizer may still find in a text; None where it may look for them."""
        return SpecialTokens.of(self.tokenizer) if self.config.encode_special_tokens else None

    def tokens(self, texts: Sequence[str]) -> list[Encoding]:
        """Tokenise texts whole, without special tokens, with character offsets (Unicode code points).

        Raises:
            InputError: a text that is no valid Unicode (a lone surrogate).
        """
        rows = list(texts)
        try:
            with _panics_refused():
                encodings = self.untruncated.encode_batch(rows, add_special_tokens=False)
        except (TypeError, UnicodeError) as error:
            raise _not_unicode(rows, None) from error
        if self._special is not None:
            self._special.refuse(rows, [encoding.ids for encoding in encodings])
        return encodings

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Encoded:
        """Tokenise texts, or pairs of `texts` and `pairs`, in one call; special tokens are added.

        What exceeds `max_length` is cut, token by token from the longer text of a pair.

        Raises:
            InputError: a text that is no valid Unicode (a lone surrogate).
        """
        rows = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        try:
            with _panics_refused():
                encodings = self.tokenizer.encode_batch_fast(rows)
        except (TypeError, UnicodeError) as error:
            raise _not_unicode(texts, pairs) from error
        ids = [encoding.ids for encoding in encodings]
        if self._special is not None:
            for index in self._special.spelt(rows):
                mask = encodings[index].special_tokens_mask
                ids[index] = self._special.as_text(ids[index], mask, f"input {index}")
        limit = self.config.max_length
        wants_types = "token_type_ids" in self.config.inputs
        return Encoded(
            input_ids=ids,
            token_type_ids=[encoding.type_ids for encoding in encodings] if wants_types else None,
            lengths=_lengths(ids),
            truncated=np.fromiter(
                (len(encoding) == limit and bool(encoding.overflowing) for encoding in encodings),
                bool,
                len(ids),
            ),
        )

    def collate(
        self, encoded: Encoded, indices: Sequence[int] | NDArray[np.int64] | None = None
    ) -> dict[str, NDArray[np.int64]]:
        """One batch of the texts at `indices` (all by default): the graph's inputs, int64 [rows, longest]."""
        chosen = range(len(encoded)) if indices is None else indices
        rows = [encoded.input_ids[index] for index in chosen]
        side = self.config.pad_side
        made = {"input_ids": pad_ragged(rows, self.config.pad_id, side)}
        if "attention_mask" in self.config.inputs:
            made["attention_mask"] = filled(_lengths(rows), made["input_ids"].shape[1], side).astype(np.int64)
        if encoded.token_type_ids is not None:
            made["token_type_ids"] = pad_ragged([encoded.token_type_ids[index] for index in chosen], 0, side)
        return {name: made[name] for name in self.config.inputs}


@contextmanager
def _panics_refused(where: str = "tokenizer.json") -> Iterator[None]:
    """Raise BundleError where tokenizers panics, with an exception that is no `Exception` and has no name in Python."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise BundleError(f"the tokenizer breaks down: {str(error)[:200]}", where=where) from None


def pad_ragged(rows: Sequence[Sequence[int]], value: int, side: Side = "right") -> NDArray[np.int64]:
    """Rows of different lengths as one array, int64 [rows, longest, at least 1], filled up with `value`."""
    lengths = _lengths(rows)
    padded = np.full((len(rows), max(1, int(lengths.max(initial=0)))), value, np.int64)
    flat = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
    padded[filled(lengths, padded.shape[1], side)] = flat
    return padded


def filled(lengths: NDArray[np.int64], width: int, side: Side = "right") -> NDArray[np.bool_]:
    """Which cells of padded rows are real: bool [rows, width]."""
    columns = np.arange(width)
    return columns < lengths[:, None] if side == "right" else columns >= width - lengths[:, None]


def _lengths(rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.fromiter(map(len, rows), np.int64, len(rows))


def _not_unicode(texts: Sequence[str], pairs: Sequence[str] | None) -> InputError:
    for index, text in enumerate(texts):
        for part in (text,) if pairs is None else (text, pairs[index]):
            try:
                part.encode()
            except UnicodeEncodeError:
                return InputError(
                    "the text is not valid Unicode (a lone surrogate)",
                    where=f"input {index}",
                    hint="decode the source with errors='replace'",
                )
            except AttributeError:
                return InputError(f"expected a text, got {type(part).__name__}", where=f"input {index}")
    return InputError("a text cannot be tokenised")
