"""The contract of a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.answers import Answer
from ftcore_runtime.encoding import Encoded, TextEncoder
from ftcore_runtime.inputs import Input, read_columns
from ftcore_runtime.policy import PLAIN, Policy

if TYPE_CHECKING:
    from ftcore_runtime.session import GraphSession


_MOST_LABELS = 1000  # that a request may ask for; without `top_k` it gets all


class OpenGraph(Protocol):
    """Opens one of a bundle's graphs."""

    def __call__(
        self, role: str, *, inputs: Sequence[str] | None = None, outputs: Sequence[str]
    ) -> GraphSession:
        """The graph of that role; see `GraphSession` for the rest. Without `inputs` it has any."""


@dataclass(frozen=True)
class Prepared:
    """Inputs as the graph reads them. Families add what their answers are made with.

    Args:
        encoded: the features; an input makes one, or several (windows of a long context).
        row: int64 [features]: index of the input of each feature.
    """

    encoded: Encoded
    row: NDArray[np.int64]

    @property
    def cut(self) -> int:
        """Inputs that were longer than the model reads, and lost their end (a question of many windows counts once)."""
        return len(set(self.row[self.encoded.truncated].tolist()))


class Runner(Protocol):
    """Runs a bundle's graphs on prepared inputs."""

    def run(self, prepared: Prepared, batch_size: int, *, scored: bool = False) -> dict[str, np.ndarray]:
        """Outputs of all features, name -> [features, ...], in their order.

        Args:
            scored: whether every answer needs its score, where that takes time.

        Raises:
            InputError: no finite numbers come out for an input, which is named.
        """


class Decoder(ABC):
    """Turns inputs into features, and a graph's outputs into answers. Stateless, vectorised, numpy only."""

    #: Names of the graph outputs that it reads.
    outputs: ClassVar[tuple[str, ...]]
    #: Whether the second axis of the outputs is that of the tokens; padding is then -inf, at the right.
    by_token: ClassVar[bool] = False
    #: Whether its answers are texts that are generated token by token, and so can be streamed.
    generates: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def from_json(cls, settings: Mapping[str, Any], where: str) -> Self:
        """Read the settings of a bundle's `decoder` section; `Fields` reads JSON strictly.

        Raises:
            BundleError: the section is not what this decoder's family writes.
        """

    @property
    @abstractmethod
    def answer(self) -> type[Answer]:
        """The kind of its answers."""

    @property
    def fields(self) -> tuple[str, ...]:
        """What the texts of an input are called."""
        return ("text",)

    @property
    def required(self) -> int:
        """How many of them, from the first on, an input must have: all, unless a decoder says otherwise."""
        return len(self.fields)

    @property
    def cuts(self) -> bool:
        """Whether an input loses what exceeds the tokens that a model reads at a time."""
        return True

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits; empty where there are none."""

    @property
    def explains(self) -> bool:
        """Whether answers can be explained: by a score of theirs, or word by word where they are generated."""
        return self.generates or self.answer.explainable

    @property
    def policy(self) -> Policy:
        """What is made of the scores; nothing unless a decoder has a field of this name."""
        return PLAIN

    def without_policy(self) -> Decoder:
        """The same decoder with scores as the model gives them."""
        return self if self.policy == PLAIN else replace(self, policy=PLAIN)  # type: ignore[type-var]

    def prepare(self, inputs: Sequence[Input], encoder: TextEncoder) -> Prepared:
        """Check and tokenise inputs; one feature each unless a family says otherwise.

        Raises:
            InputError: an input that is no text, or an empty one; the message names its index.
        """
        texts, *pairs = read_columns(inputs, self.fields, self.required)
        assert len(pairs) <= 1, "a decoder of more than two fields has a `prepare` of its own"
        return Prepared(encoder.encode(texts, *pairs), np.arange(len(texts)))

    @property
    def most_candidates(self) -> int:
        """The largest `top_k` that a request may ask for; 0 where answers carry no candidates."""
        return _MOST_LABELS if self.labels else 0

    @property
    def graphs(self) -> tuple[str, ...]:
        """Roles of the graphs that it needs; one, `model`, unless a family says otherwise."""
        return ("model",)

    def runner(self, open_graph: OpenGraph, encoder: TextEncoder, parallelism: int) -> Runner:
        """What runs the graphs, `parallelism` batches at a time: one pass over each, unless a family says otherwise."""
        from ftcore_runtime.one_pass import OnePass

        session = open_graph("model", inputs=encoder.config.inputs, outputs=self.outputs)
        return OnePass(session, encoder, self.outputs, self.by_token, parallelism)

    @abstractmethod
    def decode(
        self, outputs: Mapping[str, np.ndarray], prepared: Prepared | None = None, top_k: int | None = None
    ) -> list[Answer]:
        """One answer for each input, from `outputs` (name -> [features, ...]).

        Args:
            prepared: what `prepare` made of the inputs, for the families whose answers point into them.
            top_k: the most probable labels, or candidates, that an answer carries; unless given, all labels, and no
                candidates. It means nothing to families that rank none.

        Raises:
            BundleError: the shape does not fit the labels, or the features.
        """
