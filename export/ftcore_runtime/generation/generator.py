"""Writes answers with a bundle's graphs: batches of like length, answers in the order of the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ftcore_runtime.decoders.base import OpenGraph, Prepared
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.errors import InputError
from ftcore_runtime.generation.graphs import GraphDecoder, GraphEncoderDecoder, layers_of
from ftcore_runtime.generation.model import Floats, Ids
from ftcore_runtime.generation.names import cache_names
from ftcore_runtime.generation.packing import pack
from ftcore_runtime.generation.running import Generated, JoiningBatch
from ftcore_runtime.generation.search import generate, stream_greedy
from ftcore_runtime.generation.settings import GenerationSettings, TextFrame, greedily
from ftcore_runtime.parallel_batches import in_parallel, share_out
from ftcore_runtime.softmax import log_softmax

_CELLS = 2**24  # logits that are in memory at a time for each batch that runs


class Generator:
    """Runs the graphs of a bundle that generates text; threads may share it, each call keeps a cache of its own.

    Args:
        frame, settings: of the bundle.
        open_graph: opens its graphs.
        encoder: makes batches.
        parallelism: batches that are generated at a time.
    """

    def __init__(
        self,
        frame: TextFrame,
        settings: GenerationSettings,
        open_graph: OpenGraph,
        encoder: TextEncoder,
        parallelism: int,
    ) -> None:
        self.frame = frame
        self.settings = settings
        self._text = encoder
        self._parallelism = parallelism
        self._decoder = open_graph("decoder", outputs=["logits"])
        self._layers = layers_of(self._decoder)
        self._encoder = None
        if frame.start_id is not None:
            self._encoder = open_graph(
                "encoder",
                inputs=("input_ids", "attention_mask"),
                outputs=cache_names("cross", self._layers),
            )

    @property
    def greedy(self) -> bool:
        """Whether `run` writes what `stream` does."""
        return self.settings.num_beams == 1 and self.settings.sampling is None

    @property
    def joins(self) -> bool:
        """Whether texts may join others in `running`."""
        return self.model().joins

    def running(self) -> JoiningBatch:
        """An empty batch of texts that are written as `stream` writes one."""
        return JoiningBatch(self.model(), greedily(self.settings), self.frame.eos_ids, scored=False)

    def model(self) -> GraphEncoderDecoder | GraphDecoder:
        """The graphs with an empty cache."""
        if self._encoder is None:
            return GraphDecoder(self._decoder, self._layers)
        return GraphEncoderDecoder(self._encoder, self._decoder, self._layers)

    def prompt(self, inputs: Mapping[str, Ids]) -> Ids:
        """The first tokens of the answers: the frame's, or the sources themselves; int64 [rows, tokens]."""
        if self._encoder is None:
            return inputs["input_ids"]
        return np.tile(np.array(self.frame.prompt, np.int64), (len(inputs["input_ids"]), 1))

    def run(self, prepared: Prepared, batch_size: int, *, scored: bool = False) -> dict[str, np.ndarray]:
        """See `Runner.run`: what `pack` makes of the answers."""
        encoded = prepared.encoded
        shares = share_out(
            encoded.lengths, batch_size, self._parallelism, tokens=None
        )  # a step has one token a row
        generated = in_parallel(
            lambda chosen: self._generate(prepared, chosen, scored), shares, self._parallelism
        )
        answers: list[list[Generated]] = [[] for _ in encoded.lengths]
        for chosen, batch in zip(shares, generated, strict=True):
            for row, found in zip(chosen, batch, strict=True):
                answers[row] = found
        return pack(answers)

    def _generate(self, prepared: Prepared, chosen: Ids, scored: bool) -> list[list[Generated]]:
        inputs = self._text.collate(prepared.encoded, chosen)
        model = _Finite(self.model(), prepared.row[chosen])
        return generate(model, inputs, self.prompt(inputs), self.settings, self.frame.eos_ids, scored=scored)

    def log_probabilities(self, prepared: Prepared, ids: Ids) -> Floats:
        """What the model gives each token of one answer after each source, float32 [sources, tokens].

        Args:
            ids: of the answer, int64 [tokens], at least one.

        Raises:
            InputError: they are not all numbers.
        """
        order = np.argsort(prepared.encoded.lengths, kind="stable")
        longest = int(prepared.encoded.lengths.max()) + len(ids)
        step = max(1, _CELLS // (longest * self._text.target.tokenizer.get_vocab_size()))
        shares = [order[start : start + step] for start in range(0, len(order), step)]
        made = np.empty((len(order), len(ids)), np.float32)
        forced = in_parallel(lambda chosen: self._forced(prepared, chosen, ids), shares, self._parallelism)
        for chosen, found in zip(shares, forced, strict=True):
            made[chosen] = found
        if not np.isfinite(made).all():
            raise InputError("the model gives no finite number for the answer")
        return made

    def _forced(self, prepared: Prepared, chosen: Ids, ids: Ids) -> Floats:
        inputs = self._text.collate(prepared.encoded, chosen)
        answer = np.tile(ids[:-1], (len(chosen), 1))
        tokens = np.concatenate([self.prompt(inputs), answer], axis=1)
        if self._encoder is None:
            mask = np.concatenate([inputs["attention_mask"], np.ones_like(answer)], axis=1)
            inputs = {"input_ids": tokens, "attention_mask": mask}
        logits = self.model().logits(inputs, tokens)[:, -len(ids) :]
        return log_softmax(logits)[:, np.arange(len(ids)), ids]

    def stream(self, prepared: Prepared) -> Iterator[int]:
        """The ids of the first input's greedy answer, as they are found."""
        inputs = self._text.collate(prepared.encoded, [0])
        model = _Finite(self.model(), prepared.row)
        return stream_greedy(model, inputs, self.prompt(inputs), self.settings, self.frame.eos_ids)


def no_finite_number(index: int) -> InputError:
    """The error of an input that the model does not go on from."""
    return InputError("the model gives no finite number for it", where=f"input {index}")


class _Finite:
    """A model whose logits are all numbers, or the input they belong to is named."""

    def __init__(self, model: GraphEncoderDecoder | GraphDecoder, inputs: Ids) -> None:
        self._model = model
        self._inputs = inputs

    def start(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        return self._checked(self._model.start(inputs, prompt))

    def step(self, tokens: Ids) -> Floats:
        return self._checked(self._model.step(tokens))

    def select(self, rows: Ids) -> None:
        self._model.select(rows)
        self._inputs = self._inputs[rows]

    def _checked(self, logits: Floats) -> Floats:
        bad = np.isnan(logits.max(axis=1))  # the largest of a row is NaN where any of it is
        if bad.any():
            raise no_finite_number(int(self._inputs[bad].min()))
        return logits
