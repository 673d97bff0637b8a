"""The contract of a family: one shape of model and output, written once.

A family is stateless apart from what `fit` learns from the training rows (label names, say). It never opens a
file: `ftcore.data` brings rows, `ftcore.training` drives the model, `ftcore_export` writes and runs the graphs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pyarrow as pa
import torch

from ftcore.errors import RowError as RowError  # part of this contract, on a floor that data can reach
from ftcore.families.losses import symmetric_kl
from ftcore.modeling.base_model import BaseModel
from ftcore.spec.sections import Spec
from ftcore_export.exporter.graph import Graph
from ftcore_export.runtime.encoding import TextEncoder

SpecT = TypeVar("SpecT", bound=Spec)

#: One batch on its way to the model: name -> tensor, first axis the rows.
Batch = dict[str, torch.Tensor]
#: Metrics of the rows at these indices (int64, with repetition): name -> value.
Scorer = Callable[[np.ndarray], Mapping[str, float]]


@dataclass(frozen=True)
class Features:
    """What a model reads, for some rows; one row may make several features (windows of a long context).

    Args:
        ragged: name -> one list of token ids (or the like) a feature; padded when batched.
        fixed: name -> array [features, ...] of numbers; stacked when batched.
        row: int64 [features]: index of the row that each feature comes from.
    """

    ragged: Mapping[str, Sequence[Sequence[int]]]
    fixed: Mapping[str, np.ndarray]
    row: np.ndarray


@dataclass(frozen=True)
class Scores:
    """Metrics of one split, and what does not fit in a number (confusion matrix, per-class table)."""

    values: Mapping[str, float]
    details: Mapping[str, Any] = field(default_factory=dict)


class Family(ABC, Generic[SpecT]):
    """One shape of model and output.

    Life of an instance: `schema` and `parse` while the splits are read; `fit` once on the training split and
    `check` on every split; `encode` to features; `build`, `loss` in training; `decoder`, `scorer` in
    evaluation; `graphs` at export. `state` is JSON and goes into checkpoints and bundle: `restore` undoes it.
    """

    name: ClassVar[str]

    def __init__(self, spec: SpecT) -> None:
        self.spec = spec

    # -- rows ----------------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """Arrow schema of a parsed row."""

    @property
    @abstractmethod
    def columns(self) -> Mapping[str, str]:
        """Columns read: field of the schema -> the source's name. Those in `optional` may be missing."""

    @property
    def optional(self) -> frozenset[str]:
        """Fields whose column a source may lack."""
        return frozenset()

    @abstractmethod
    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One source row (the source's column names) -> one row of `schema`.

        Raises:
            RowError: an empty text, a value of the wrong type...
        """

    @abstractmethod
    def strata(self, table: pa.Table) -> np.ndarray | None:
        """Class of each row (int64 [rows]) for stratified splits, or None where there is none."""

    @abstractmethod
    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """Key of each row (string [rows]); rows with equal keys never straddle two splits."""

    @abstractmethod
    def fit(self, train: pa.Table) -> None:
        """Learn what the training rows say: label names, weights...

        Raises:
            RowError: the training rows cannot be learnt from (one label only, ...).
        """

    @abstractmethod
    def check(self, table: pa.Table) -> tuple[int, RowError] | None:
        """First row (index into `table`) that contradicts what `fit` learnt, with why; else None."""

    @property
    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What `fit` learnt, as JSON."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what an earlier `fit` learnt."""

    # -- features and model --------------------------------------------------------------------------------
    @abstractmethod
    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Tokenise rows of `schema`. `row` counts from 0 within `rows`."""

    @property
    def pad_values(self) -> Mapping[str, int]:
        """Padding of each ragged feature but `input_ids` (the tokenizer's pad token); 0 unless named here."""
        return {}

    @abstractmethod
    def build(self, base: BaseModel) -> torch.nn.Module:
        """The base model with this family's head, float32, on the CPU."""

    @abstractmethod
    def outputs(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Run the model: the graph's outputs by name, first axis the features."""

    @abstractmethod
    def loss(self, outputs: Mapping[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Sum (not mean) of the loss over the batch, a float32 scalar; the engine divides by `weight`."""

    @abstractmethod
    def weight(self, batch: Batch) -> torch.Tensor:
        """What the loss of this batch is divided by, summed over an optimizer step: rows, tokens..."""

    def divergence(
        self, one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """How far two outputs for the same batch are apart, summed like `loss`; for R-Drop.

        The symmetric divergence of the softmax over the last axis of every output, unless a family says better.
        """
        return torch.stack([symmetric_kl(one[name], other[name]).sum() for name in one]).sum()

    @property
    def texts(self) -> tuple[str, ...]:
        """Fields of `schema` whose words may be swapped or left out while the reference stays right."""
        return ()

    # -- answers and metrics -------------------------------------------------------------------------------
    @property
    @abstractmethod
    def decoder(self) -> dict[str, Any]:
        """The bundle's decoder section (JSON): what the ground floor needs to turn outputs into answers."""

    @abstractmethod
    def answers(self, outputs: Mapping[str, np.ndarray], row: np.ndarray, rows: pa.Table) -> list[Any]:
        """Decode, with the ground floor's decoder, outputs [features, ...] into one answer a row of `rows`."""

    @abstractmethod
    def inputs(self, rows: pa.Table) -> list[Any]:
        """What a user of the bundle would pass to `Pipeline.predict` for these rows."""

    @abstractmethod
    def references(self, rows: pa.Table) -> list[Any]:
        """The right answer of each row, as `ftcore_metrics` sees it."""

    @abstractmethod
    def score(self, references: Sequence[Any], answers: Sequence[Any]) -> Scores:
        """Every metric of one split."""

    @abstractmethod
    def scorer(self, references: Sequence[Any], answers: Sequence[Any]) -> Scorer:
        """The metrics of `score` for any resample of the rows; fast, since the bootstrap calls it often."""

    @property
    @abstractmethod
    def default_metric(self) -> str:
        """What picks the best checkpoint unless task or spec say otherwise."""

    def higher_is_better(self, metric: str) -> bool:
        """Whether more of this metric is better."""
        return True

    # -- export --------------------------------------------------------------------------------------------
    @abstractmethod
    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Graph]:
        """The ONNX graphs of this family."""
