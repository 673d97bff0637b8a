"""The part of a family that learns: features of rows, the torch module, its outputs and its loss.

This module describes it and imports no torch, so that the public surface can name it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, runtime_checkable

from ftcore.families.reader import FittedT, SpecT

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

    from ftcore.families.token_span import TokenSpan
    from ftcore.modeling.base_model import BaseModel
    from ftcore_runtime.encoding import TextEncoder

#: One batch on its way to the model: name -> tensor, first axis the features.
Batch: TypeAlias = "dict[str, torch.Tensor]"
#: The label of a token that no loss counts.
IGNORED = -100
#: The graph's outputs by name, first axis the features.
Outputs: TypeAlias = "Mapping[str, torch.Tensor]"


@dataclass(frozen=True)
class Features:
    """What a model reads, for some rows; one row may make several features (windows of a long context).

    Args:
        ragged: name -> one list of token ids (or the like) a feature; padded when batched.
        fixed: name -> array [features, ...] of numbers; stacked when batched.
        row: int64 [features], ascending: index of the row that each feature comes from.
        extras: what the model does not read but plan and answers do: arrays [features, ...], or one array of integers
            [any length] a feature.
    """

    ragged: Mapping[str, Sequence[Sequence[int]]]
    fixed: Mapping[str, np.ndarray]
    row: np.ndarray
    extras: Mapping[str, np.ndarray | Sequence[np.ndarray]] = field(default_factory=dict)


class Stored(Protocol):
    """The features of some rows, as they were kept."""

    #: int64 [features], ascending: index of the row of each feature.
    row: np.ndarray
    #: int64 [features]: tokens of each feature.
    lengths: np.ndarray
    #: What the features were tokenised with.
    encoder: TextEncoder

    def __len__(self) -> int: ...

    def batch(self, indices: np.ndarray) -> Batch:
        """The features at `indices`, padded to the longest: name -> tensor [features, ...] on the CPU."""

    def column(self, name: str) -> np.ndarray:
        """A fixed feature, or one of the extras: [features, ...]; ragged ones are filled up with -1."""


class Tokenizes(Protocol):
    """What a store of features asks of a family's model."""

    @property
    def measured(self) -> tuple[str, ...]:
        """See `Model`."""

    @property
    def pad_values(self) -> Mapping[str, int]:
        """See `Model`."""

    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """See `Model`."""


class Model(ABC, Generic[SpecT, FittedT]):
    """Makes features of rows, and drives the torch module that reads them. Stateless.

    Args:
        spec: the run's.
        fitted: what was learnt from the training rows (and, with `SupportsOwnTokenizer`, from the tokenizer).
    """

    def __init__(self, spec: SpecT, fitted: FittedT) -> None:
        self.spec = spec
        self.fitted = fitted

    @abstractmethod
    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Tokenise rows of the reader's schema. `row` counts from 0 within `rows`."""

    @property
    @abstractmethod
    def encoding_key(self) -> Mapping[str, Any]:
        """What `encode` depends on besides rows and encoder, as JSON, and nothing else.

        It is part of the key under which features are kept: a setting that it lacks gives stale features, and one too
        many tokenises again for nothing.
        """

    @property
    def measured(self) -> tuple[str, ...]:
        """Ragged features whose lengths add up to that of a feature, by which it is batched."""
        return ("input_ids",)

    @property
    def pad_values(self) -> Mapping[str, int]:
        """Padding of each ragged feature but `input_ids` (the tokenizer's pad token); 0 unless named here."""
        return {}

    @abstractmethod
    def plan(self, rows: pa.Table, features: Stored) -> dict[str, Any]:
        """What will be trained on, as JSON, a key in words to each figure: what is cut, lost, how long it is..."""

    @abstractmethod
    def build(self, base: BaseModel) -> torch.nn.Module:
        """The base model with this family's head, float32, on the CPU."""

    @abstractmethod
    def outputs(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Run the model: the graph's outputs by name, first axis the features."""

    @abstractmethod
    def loss(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """Sum (not mean) of the loss over the batch, a float32 scalar; the engine divides by `weight`."""

    @abstractmethod
    def weight(self, batch: Batch) -> torch.Tensor:
        """What the loss of this batch is divided by, summed over an optimizer step: rows, tokens..."""


@runtime_checkable
class SupportsRDrop(Protocol):
    """A model whose outputs can be compared with those of another pass (`training.rdrop`)."""

    def divergence(self, one: Outputs, other: Outputs, batch: Batch) -> torch.Tensor:
        """How far two outputs for the same batch are apart, summed like `loss`."""


@runtime_checkable
class SupportsContrast(Protocol):
    """A model that can compare the rows of a batch by their labels (`training.contrast`)."""

    def contrast(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """The contrastive loss of what the head reads of the rows, summed like `loss`."""


@runtime_checkable
class SupportsDistillation(Protocol):
    """A model that can learn from a teacher (`model.distill_from`)."""

    def build_teacher(self, base: BaseModel) -> torch.nn.Module:
        """A fine-tuned model to learn from, in eval mode; its outputs are in the order of this family's own.

        Raises:
            ModelError: it was fine-tuned for something else.
        """

    def distillation(
        self, outputs: Outputs, teacher: Outputs, batch: Batch, temperature: float
    ) -> torch.Tensor:
        """How far outputs are from a teacher's for the same batch, summed like `loss` (Hinton et al. 2015)."""


@runtime_checkable
class SupportsAttribution(Protocol):
    """A model with a score of each target that gradients can be taken of (`ftcore explain --method gradients`)."""

    def attributed(self, outputs: Outputs, target: str) -> torch.Tensor:
        """The score of a target in the outputs, float32 [features]: the log-odds of a label, or a number."""


@runtime_checkable
class SupportsSpanAttribution(Protocol):
    """A model whose answers are spans of a text, with scores of each that gradients can be taken of."""

    def attributed_span(self, outputs: Outputs, span: TokenSpan) -> dict[str, torch.Tensor]:
        """The scores of a span in the outputs, float32 [features] each, which add up to that of the whole.

        Returns:
            `start` and `end` where either has a score of its own; the whole by an empty name where there is one.
        """


@runtime_checkable
class SupportsMask(Protocol):
    """A model that learns some tokens of a row and not others (`ftcore validate --show-mask`)."""

    def tokens_shown(self, batch: Batch) -> list[tuple[int, bool]]:
        """Ids of the first row of a batch, in order, each with whether it is learnt."""


@runtime_checkable
class SupportsSearch(Protocol):
    """A model whose answers are searched for, and are not made of one pass's outputs."""

    def respond(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """What answers are made of, float32, first axis the features."""


@runtime_checkable
class SupportsBaseCreation(Protocol):
    """A model that may make the base model that training starts from."""

    def open_base(self, base_dir: Path, train: Callable[[], pa.Table], folder: Path) -> BaseModel:
        """The base model, opened or made.

        Args:
            base_dir: what relative paths start from.
            train: gives the training rows.
            folder: where a base model would be written; not there before.

        Raises:
            ModelError: see `ftcore.modeling.base_model`.
        """


@runtime_checkable
class SupportsOwnTokenizer(Protocol):
    """A model that opens its tokenizer in its own way, and learns from the training rows with it."""

    def open_encoder(self, base: BaseModel) -> TextEncoder:
        """The tokenizer of the base model or of the fine-tuned one.

        Raises:
            ModelError: see `ftcore.modeling.base_model`.
        """

    def fit_tokenizer(self, encoder: TextEncoder, train: Callable[[], pa.Table]) -> Any:  # noqa: ANN401 (a Fitted)
        """What was learnt so far, completed by what the tokenizer says."""
