"""The contract of a family: one shape of model and output, written once.

A family is stateless apart from what `fit` learns from the training rows (label names, say). It never opens a
file: `ftcore.data` brings rows, `ftcore.training` drives the model, `ftcore_export` writes the graphs and
`ftcore_runtime` runs them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import torch

# Part of this contract, on a floor that data can reach.
from ftcore.errors import REMARK as REMARK
from ftcore.errors import ModelError
from ftcore.errors import RowDropped as RowDropped
from ftcore.errors import RowError as RowError
from ftcore.families.losses import distillation_kl, symmetric_kl
from ftcore.modeling.base_model import BaseModel, open_base, open_encoder
from ftcore.spec.sections import Spec
from ftcore_export.graph import Graph
from ftcore_export.parity import Parity, compare
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.pipeline import Pipeline

SpecT = TypeVar("SpecT", bound=Spec)

#: One batch on its way to the model: name -> tensor, first axis the rows.
Batch = dict[str, torch.Tensor]
#: Metrics of the rows at these indices (int64, with repetition): name -> value.
Scorer = Callable[[np.ndarray], Mapping[str, float]]
#: What `respond` gave for some rows by name, and the answers that were made of it.
Responses = tuple[Mapping[str, np.ndarray], Sequence[Any]]
#: Parity of a pipeline that gave these responses.
Comparison = Callable[[Pipeline, Responses], Parity]


@dataclass(frozen=True)
class Features:
    """What a model reads, for some rows; one row may make several features (windows of a long context).

    Args:
        ragged: name -> one list of token ids (or the like) a feature; padded when batched.
        fixed: name -> array [features, ...] of numbers; stacked when batched.
        row: int64 [features], ascending: index of the row that each feature comes from.
        aside: what the model does not read but plan and answers do: arrays [features, ...], or one array of integers
            [any length] a feature.
    """

    ragged: Mapping[str, Sequence[Sequence[int]]]
    fixed: Mapping[str, np.ndarray]
    row: np.ndarray
    aside: Mapping[str, np.ndarray | Sequence[np.ndarray]] = field(default_factory=dict)


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
        """A fixed feature, or one kept aside: [features, ...]; ragged ones are filled up with -1."""


@dataclass(frozen=True)
class Scores:
    """Metrics of one split, and what does not fit in a number (confusion matrix, per-class table)."""

    values: Mapping[str, float]
    details: Mapping[str, Any] = field(default_factory=dict)


def length_plan(rows: int, features: Stored, cut: int, max_length: int) -> dict[str, Any]:
    """The part of a plan that every text has: how many tokens, and how many rows are cut.

    Args:
        cut: rows whose text does not fit into `max_length` tokens.
    """
    middle, most = np.percentile(features.lengths, [50, 95]) if len(features.lengths) else (0, 0)
    return {
        "rows": rows,
        "tokens": int(features.lengths.sum()),
        "median tokens": int(middle),
        "95th percentile": int(most),
        "longest": int(features.lengths.max(initial=0)),
        f"cut at {max_length}": cut,
    }


class Family(ABC, Generic[SpecT]):
    """One shape of model and output.

    Life of an instance: `schema` and `parse` while the splits are read; `fit` once on the training split and
    `check` on every split; `open_base` and `open_encoder`; `encode` to features and `plan` of them; `build`, `loss`
    in training; `respond`, `tune`, `decoder`, `scorer` in evaluation; `graphs` at export. `state` is JSON and is kept
    with the run: `restore` undoes it.
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

        A row that had to be mended says so under the key `REMARK`, which is reported and not kept.

        Raises:
            RowError: an empty text, a value of the wrong type...
            RowDropped: the row is to be left out and reported.
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
        """What `fit` and `tune` learnt, as JSON."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what an earlier `fit` and `tune` learnt."""

    # -- features and model --------------------------------------------------------------------------------
    def open_base(self, base_dir: Path, train: Callable[[], pa.Table], folder: Path) -> BaseModel:
        """The base model that training starts from.

        Args:
            base_dir: what relative paths start from.
            train: gives the training rows, for a family that makes a base model of them.
            folder: where it would write that; not there before.

        Raises:
            ModelError: see `ftcore.modeling.base_model`.
        """
        return open_base(self.spec.model.base, base_dir)

    def open_encoder(self, base: BaseModel, train: Callable[[], pa.Table]) -> TextEncoder:
        """The tokenizer of the base model or of the fine-tuned one; called before anything is encoded or decoded.

        Raises:
            ModelError: see `ftcore.modeling.base_model`.
        """
        return open_encoder(base, self.spec.model.max_length)

    @abstractmethod
    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Tokenise rows of `schema`. `row` counts from 0 within `rows`."""

    @property
    def reading(self) -> Mapping[str, Any]:
        """What `encode` depends on beside rows and encoder, as JSON: part of the key of stored features."""
        return self.state

    @abstractmethod
    def plan(self, rows: pa.Table, features: Stored) -> dict[str, Any]:
        """What will be trained on, as JSON, a key in words to each figure: what is cut, lost, how long it is..."""

    @property
    def measured(self) -> tuple[str, ...]:
        """Ragged features whose lengths add up to that of a feature, by which it is batched."""
        return ("input_ids",)

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

    def respond(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """What answers are made of, float32, first axis the features: `outputs` unless a family searches for them."""
        return self.outputs(model, batch)

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

    def build_teacher(self, base: BaseModel) -> torch.nn.Module:
        """A fine-tuned model to learn from, in eval mode; its outputs are in the order of this family's own.

        Raises:
            ModelError: it was fine-tuned for something else.
        """
        named = list(base.config.architectures or [])
        model = self.build(base).eval()
        if type(model).__name__ not in named:
            raise ModelError(
                f"the teacher is a {', '.join(named) or 'model without a head'}, not a {type(model).__name__}",
                where="model.distill_from",
                hint="name a run of this family, or a model that was fine-tuned for it",
            )
        return model

    def distillation(
        self,
        outputs: Mapping[str, torch.Tensor],
        teacher: Mapping[str, torch.Tensor],
        batch: Batch,
        temperature: float,
    ) -> torch.Tensor:
        """How far outputs are from a teacher's for the same batch, summed like `loss` (Hinton et al. 2015).

        The divergence of the softmax over the last axis, a mean over the outputs, unless a family says better.
        """
        each = [distillation_kl(outputs[name], teacher[name], temperature).sum() for name in teacher]
        return torch.stack(each).mean()

    @property
    def texts(self) -> tuple[str, ...]:
        """Fields of `schema` whose words may be swapped or left out while the reference stays right."""
        return ()

    # -- answers and metrics -------------------------------------------------------------------------------
    @property
    @abstractmethod
    def decoder(self) -> dict[str, Any]:
        """The bundle's decoder section (JSON): what the ground floor needs to turn outputs into answers."""

    @property
    def top_k(self) -> int:
        """Candidates that an answer carries where families rank them; metrics may read them."""
        return 1

    def tune(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> None:
        """Choose thresholds on validation rows; nothing unless a family has any."""

    @abstractmethod
    def answers(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> list[Any]:
        """Decode, with the ground floor's decoder, what `respond` gave into one answer a row of `rows`."""

    @abstractmethod
    def inputs(self, rows: pa.Table) -> list[Any]:
        """What a user of the bundle would pass to `Pipeline.predict` for these rows."""

    @abstractmethod
    def references(self, rows: pa.Table) -> list[Any]:
        """The right answer of each row, as `ftcore_metrics` sees it."""

    def samples(self, rows: pa.Table, answers: Sequence[Any]) -> list[dict[str, str]]:
        """A few rows with their answers, for people to read in the report; none unless a family writes texts."""
        return []

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

    def point(self, metric: str) -> float:
        """What one point of this metric is: 0.01 of one from 0 to 1, 1 of one on a scale of its own."""
        return 0.01

    # -- export --------------------------------------------------------------------------------------------
    @abstractmethod
    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Graph]:
        """The ONNX graphs of this family."""

    def comparison(
        self, model: torch.nn.Module, features: Stored, reference: Responses, ids: Sequence[Any]
    ) -> Comparison:
        """What holds graphs against torch: by outputs and answers, unless a family knows better.

        Args:
            model: in torch; it stays in memory where a family looks into it again.
            reference: its responses for these features.
            ids: of their rows, for messages.
        """
        return lambda _, candidate: compare(reference[0], candidate[0], reference[1], candidate[1], ids)
