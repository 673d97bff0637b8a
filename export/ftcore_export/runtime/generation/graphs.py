"""ONNX graphs as the searches see them: caches stay in onnxruntime's memory and are bound, not copied, step by step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime as ort

from ftcore_export.errors import BundleError
from ftcore_export.runtime.generation.model import Floats, Ids, is_every_row
from ftcore_export.runtime.generation.names import cache_names
from ftcore_export.runtime.session import GraphSession


class _Cache:
    """The decoder graph with what is bound to its inputs, the keys and values so far above all."""

    def __init__(self, decoder: GraphSession, layers: int) -> None:
        self._decoder = decoder
        self._past = cache_names("past", layers)
        self._outputs = ["logits", *cache_names("present", layers)]

    def begin(self, rows: int) -> None:
        """Forget everything; the cache of `rows` rows is empty."""
        self._binding = self._decoder.binding()
        self._bound: dict[str, ort.OrtValue] = {}  # a binding does not keep numpy's memory alive
        empty = (self._decoder.shapes[name] for name in self._past)
        self._values = [_value(np.empty((rows, heads, 0, width), np.float32)) for _, heads, _, width in empty]

    def bind(self, inputs: Mapping[str, np.ndarray | ort.OrtValue]) -> None:
        """Bind inputs, which stay until they are bound anew."""
        for name, value in inputs.items():
            self._bound[name] = value if isinstance(value, ort.OrtValue) else _value(value)
            self._binding.bind_ortvalue_input(name, self._bound[name])

    def run(self) -> Floats:
        """One pass: the cache grows by the tokens; returns logits, float32 [rows, places, vocabulary]."""
        for name, value in zip(self._past, self._values, strict=True):
            self._binding.bind_ortvalue_input(name, value)
        self._binding.clear_binding_outputs()
        for name in self._outputs:
            self._binding.bind_output(name, "cpu")
        logits, *self._values = self._decoder.run_bound(self._binding)
        found: Floats = logits.numpy()
        return found

    def select(self, rows: Ids) -> None:
        """Row i becomes what row `rows[i]` was."""
        self._values = [take(value, rows) for value in self._values]


class GraphEncoderDecoder:
    """An encoder graph and a decoder graph; see `SequenceModel`.

    The keys and values of a source are the same for all its beams: they are copied only where beams of other sources
    come to stand in a row.
    """

    def __init__(self, encoder: GraphSession, decoder: GraphSession, layers: int) -> None:
        self._encoder = encoder
        self._cross = cache_names("cross", layers)
        self._cache = _Cache(decoder, layers)

    def start(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        """Run the encoder, and the decoder on the prompt."""
        return self.logits(inputs, prompt)[:, -1]

    def logits(self, inputs: Mapping[str, Ids], tokens: Ids) -> Floats:
        """The same, with logits after every token: float32 [rows, tokens, vocabulary]."""
        binding = self._encoder.binding()
        read = {name: _value(inputs[name]) for name in ("input_ids", "attention_mask")}
        for name, value in read.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._cross:
            binding.bind_output(name, "cpu")
        self._source = dict(zip(self._cross, self._encoder.run_bound(binding), strict=True))
        self._source["attention_mask"] = read["attention_mask"]
        self._origin = np.arange(len(tokens))  # of each row: its source
        self._cache.begin(len(tokens))
        self._cache.bind(self._source)
        self._cache.bind({"input_ids": tokens})
        return self._cache.run()

    def step(self, tokens: Ids) -> Floats:
        """One token more."""
        self._cache.bind({"input_ids": tokens[:, None]})
        return self._cache.run()[:, -1]

    def select(self, rows: Ids) -> None:
        """Rearrange the cache, and the sources where that changes anything."""
        if not is_every_row(rows, len(self._origin)):
            self._cache.select(rows)
        if not np.array_equal(self._origin[rows], self._origin):
            self._source = {name: take(value, rows) for name, value in self._source.items()}
            self._cache.bind(self._source)
        self._origin = self._origin[rows]


class GraphDecoder:
    """A decoder graph alone; prompts are filled up at the left."""

    def __init__(self, decoder: GraphSession, layers: int) -> None:
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
        self._cache.begin(len(tokens))
        positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
        self._cache.bind(
            {"input_ids": tokens, "attention_mask": mask, "position_ids": positions, "places": places}
        )
        return self._cache.run()

    def step(self, tokens: Ids) -> Floats:
        """One token more."""
        self._mask = np.append(self._mask, np.ones((len(tokens), 1), np.int64), axis=1)
        self._cache.bind(
            {
                "input_ids": tokens[:, None],
                "attention_mask": self._mask,
                "position_ids": self._mask.sum(axis=1, keepdims=True) - 1,
                "places": np.zeros(1, np.int64),
            }
        )
        return self._cache.run()[:, -1]

    def select(self, rows: Ids) -> None:
        """Rearrange the cache."""
        if not is_every_row(rows, len(self._mask)):
            self._cache.select(rows)
            self._mask = self._mask[rows]


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


def take(value: ort.OrtValue, rows: Ids) -> ort.OrtValue:
    """Some rows of a value, as a new one."""
    return _value(value.numpy()[rows])


def _value(array: np.ndarray) -> ort.OrtValue:
    return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
