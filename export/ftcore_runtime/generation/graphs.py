"""ONNX graphs as the searches see them.

Caches stay where onnxruntime wrote them: its outputs are arrays over its own memory, and arrays are read where they
lie. (Bound inputs and outputs are no faster on the CPU: their calls cost a tenth of a small decoder's step.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.errors import BundleError
from ftcore_runtime.generation.model import Floats, Ids, is_every_row
from ftcore_runtime.generation.names import HIDDEN, cache_names
from ftcore_runtime.generation.stacking import stack
from ftcore_runtime.session import GraphSession


class _Cache:
    """The decoder graph with what it reads in addition to the new tokens: the keys and values so far above all."""

    def __init__(self, decoder: GraphSession, layers: int) -> None:
        self._decoder = decoder
        self._past = cache_names("past", layers)
        self._outputs = ["logits", *cache_names("present", layers)]

    def begin(self, rows: int, inputs: Mapping[str, np.ndarray]) -> None:
        """Forget everything; the cache of `rows` rows is empty, and `inputs` stay until they are given anew."""
        shapes = self._decoder.shapes
        empty = {
            name: np.empty((rows, heads, 0, width), np.float32)
            for name, (_, heads, _, width) in ((name, shapes[name]) for name in self._past)
        }
        self._feeds: dict[str, np.ndarray] = {**inputs, **empty}

    def tell(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Put these in the place of what was read so far."""
        self._feeds.update(inputs)

    def run(self, inputs: Mapping[str, np.ndarray]) -> Floats:
        """One pass: the cache grows by the tokens; returns logits, float32 [rows, positions, vocabulary]."""
        self._feeds.update(inputs)
        logits, *presents = self._decoder.run(self._feeds, self._outputs).values()
        self._feeds.update(zip(self._past, presents, strict=True))
        return logits

    def select(self, rows: Ids, unread: int = 0) -> None:
        """Row i becomes what row `rows[i]` was; the first `unread` tokens are forgotten."""
        for name in self._past:
            self._feeds[name] = self._feeds[name][rows, :, unread:]

    def append(self, other: _Cache) -> None:
        """Another cache's rows after the own ones; the shorter ones are filled up at the left."""
        for name in self._past:
            self._feeds[name] = stack(self._feeds[name], other._feeds[name], axis=2, side="left")


class GraphEncoderDecoder:
    """An encoder graph and a decoder graph; see `SequenceModel`.

    The keys and values of a source are the same for all its beams: they are copied only where beams of other sources
    come to stand in a row.
    """

    def __init__(self, encoder: GraphSession, decoder: GraphSession, layers: int) -> None:
        self._encoder, self._decoder, self._layers = encoder, decoder, layers
        self._cross = cache_names("cross", layers)
        self._cache = _Cache(decoder, layers)
        self._biased = "target_bias" in decoder.shapes  # graphs of before find out themselves what is hidden
        #: Whether rows may join others that are being written.
        self.joins = self._biased and decoder.shapes["target_bias"][0] != 1

    def start(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        """Run the encoder, and the decoder on the prompt."""
        return self.logits(inputs, prompt)[:, -1]

    def logits(self, inputs: Mapping[str, Ids], tokens: Ids) -> Floats:
        """The same, with logits after every token: float32 [rows, tokens, vocabulary]."""
        read = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        mask = read["attention_mask"]
        hidden = {"source_bias": _bias(mask)[:, None, None]} if self._biased else {"attention_mask": mask}
        self._source = {**self._encoder.run(read, self._cross), **hidden}
        self._source_of = np.arange(len(tokens))  # of each row: its source
        self._cache.begin(len(tokens), self._source)
        self._hidden = np.zeros((len(tokens), 0), np.float32)  # what rows that joined do not have
        self._next = np.zeros((len(tokens), 1), np.int64)
        return self._run(tokens)

    def step(self, tokens: Ids) -> Floats:
        """One token more."""
        return self._run(tokens[:, None])[:, -1]

    def _run(self, tokens: Ids) -> Floats:
        rows, count = tokens.shape
        feeds: dict[str, np.ndarray] = {"input_ids": tokens}
        if self._biased:
            past = self._hidden.shape[1]
            self._hidden = np.concatenate([self._hidden, np.zeros((rows, count), np.float32)], axis=1)
            bias = self._hidden[:, None, None]
            if count > 1:
                bias = bias + np.triu(np.full((count, past + count), HIDDEN, np.float32), past + 1)
            feeds["target_bias"] = bias if self.joins else bias[:1]
        if "position_ids" in self._decoder.shapes:
            feeds["position_ids"] = self._next + np.arange(count) if count > 1 else self._next
        self._next = self._next + count
        return self._cache.run(feeds)

    def select(self, rows: Ids) -> None:
        """Rearrange the cache, and the sources where that changes anything."""
        if not is_every_row(rows, len(self._source_of)):
            self._hidden = self._hidden[rows]
            unread = _unread(self._hidden == 0)
            self._hidden, self._next = self._hidden[:, unread:], self._next[rows]
            self._cache.select(rows, unread)
        if not np.array_equal(self._source_of[rows], self._source_of):
            self._source = {name: value[rows] for name, value in self._source.items()}
            self._cache.tell(self._source)
        self._source_of = self._source_of[rows]

    def join(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        """Rows more, after those there are."""
        other = GraphEncoderDecoder(self._encoder, self._decoder, self._layers)
        logits = other.start(inputs, prompt)
        self._cache.append(other._cache)
        self._hidden = stack(self._hidden, other._hidden, axis=1, side="left", fill=HIDDEN)
        self._next = np.concatenate([self._next, other._next])
        for name, value in self._source.items():
            axis, fill = (3, HIDDEN) if name == "source_bias" else (2, 0)
            self._source[name] = stack(value, other._source[name], axis=axis, side="right", fill=fill)
        self._source_of = np.arange(len(self._next))
        self._cache.tell(self._source)
        return logits


class GraphDecoder:
    """A decoder graph alone; prompts are filled up at the left."""

    joins = True

    def __init__(self, decoder: GraphSession, layers: int) -> None:
        self._decoder, self._layers = decoder, layers
        self._cache = _Cache(decoder, layers)

    def start(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        """Run the prompt."""
        last = np.array([prompt.shape[1] - 1])
        return self._begin(inputs["attention_mask"], prompt, last)[:, -1]

    def logits(self, inputs: Mapping[str, Ids], tokens: Ids) -> Floats:
        """Logits after every token of `input_ids`, float32 [rows, tokens, vocabulary]; `tokens` are the same."""
        return self._begin(inputs["attention_mask"], tokens, np.arange(tokens.shape[1]))

    def _begin(self, mask: Ids, tokens: Ids, places: Ids) -> Floats:
        self._mask = mask
        positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
        self._cache.begin(len(tokens), {})
        return self._cache.run(
            {"input_ids": tokens, "attention_mask": mask, "position_ids": positions, "places": places}
        )

    def step(self, tokens: Ids) -> Floats:
        """One token more."""
        self._mask = np.append(self._mask, np.ones((len(tokens), 1), np.int64), axis=1)
        return self._cache.run(
            {
                "input_ids": tokens[:, None],
                "attention_mask": self._mask,
                "position_ids": self._mask.sum(axis=1, keepdims=True) - 1,
                "places": np.zeros(1, np.int64),
            }
        )[:, -1]

    def select(self, rows: Ids) -> None:
        """Rearrange the cache."""
        if not is_every_row(rows, len(self._mask)):
            self._mask = self._mask[rows]
            unread = _unread(self._mask != 0)
            self._mask = self._mask[:, unread:]
            self._cache.select(rows, unread)

    def join(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        """Rows more, after those there are."""
        other = GraphDecoder(self._decoder, self._layers)
        logits = other.start(inputs, prompt)
        self._cache.append(other._cache)
        self._mask = stack(self._mask, other._mask, axis=1, side="left")
        return logits


def _bias(mask: Ids) -> Floats:
    """What is added to attention scores for a mask of real tokens."""
    return np.where(mask == 0, HIDDEN, 0.0).astype(np.float32)


def _unread(read: NDArray[np.bool_]) -> int:
    """How many of the first tokens no row reads; `read` is bool [rows, tokens]."""
    return int(read.any(axis=0).argmax()) if read.size else 0


def layers_of(decoder: GraphSession) -> int:
    """How many layers a decoder graph caches.

    Raises:
        BundleError: its inputs are not those of a decoder.
    """
    names = [name for name in decoder.shapes if name.startswith("past_")]
    layers = len(names) // 2
    if not layers or names != cache_names("past", layers):
        raise BundleError(f"its inputs {', '.join(decoder.shapes)} are no decoder's", where=decoder.where)
    return layers
