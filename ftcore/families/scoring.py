"""The part of a family that measures: outputs to answers, answers to metrics. In numpy, free of torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, runtime_checkable

from ftcore.families.model import Stored
from ftcore.families.reader import FittedT, SpecT
from ftcore.spec.metrics import UNKNOWN, MetricInfo

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from ftcore_runtime.policy import Policy

#: Metrics of the rows at these indices (int64, with repetition): name -> value.
Scorer: TypeAlias = "Callable[[np.ndarray], Mapping[str, float]]"


@runtime_checkable
class SupportsResamples(Protocol):
    """A scorer that measures many resamples at once: the bootstrap takes thousands."""

    def resamples(self, samples: np.ndarray) -> Mapping[str, np.ndarray]:
        """Every metric of each resample.

        Args:
            samples: int64 [resamples, rows]: indices of rows, with repetition.

        Returns:
            name -> float64 [resamples], what the scorer gives for each alone.
        """


@dataclass(frozen=True)
class Scores:
    """Metrics of one split, and what does not fit in a number (confusion matrix, per-class table)."""

    values: Mapping[str, float]
    details: Mapping[str, Any] = field(default_factory=dict)


class Scoring(ABC, Generic[SpecT, FittedT]):
    """Decodes with the runtime's decoder, and measures. Stateless.

    Args:
        spec: the run's.
        fitted: what was learnt from the training rows, and by `tune`.
    """

    def __init__(self, spec: SpecT, fitted: FittedT) -> None:
        self.spec = spec
        self.fitted = fitted

    @property
    @abstractmethod
    def decoder(self) -> dict[str, Any]:
        """The bundle's decoder section (JSON): what the runtime needs to turn outputs into answers."""

    @property
    def top_k(self) -> int | None:
        """Labels or candidates that an answer carries, see `Decoder.decode`; metrics may read them."""
        return None

    @abstractmethod
    def answers(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> list[Any]:
        """Decode, with the runtime's decoder, what the model gave into one answer a row of `rows`."""

    @abstractmethod
    def comparable(self, references: Sequence[Any], answers: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """References and answers as plain values of one kind each, for the hook `ftcore_metrics` to compare.

        With `==`, or where a row has several right answers, which the reference then lists, with `in`.
        """

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
        return not self._info(metric).lower

    def point(self, metric: str) -> float:
        """What one point of this metric is: 0.01 of one from 0 to 1, 1 of one on a scale of its own."""
        return self._info(metric).point

    def _info(self, metric: str) -> MetricInfo:
        return (self.spec.known_metrics or {}).get(metric, UNKNOWN)


@runtime_checkable
class SupportsTuning(Protocol):
    """Scoring with a threshold (or the like) that validation rows choose."""

    def tune(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> Any:  # noqa: ANN401
        """What was learnt so far, with the threshold that is best on these rows: another `Fitted`."""


#: What the head of a base model that was not trained reads of rows, float32 [rows, size]; their targets, and weights.
Frozen: TypeAlias = "tuple[np.ndarray, np.ndarray, np.ndarray]"


@runtime_checkable
class SupportsRepresentations(Protocol):
    """Scoring that goes by where the training rows lie, too; asked before `tune`, of a model that has seen them."""

    def represent(
        self,
        outputs: Mapping[str, np.ndarray],
        features: Stored,
        rows: pa.Table,
        validation: pa.Table,
        frozen: Callable[[], Frozen | None],
    ) -> Any:  # noqa: ANN401
        """What was learnt so far, with what is known of the training rows: another `Fitted`.

        Args:
            outputs: of the training rows, or of evenly spaced ones of many.
            validation: the rows that `tune` will see.
            frozen: reads some training rows with the base model; None where its head reads more than one vector.
        """


@runtime_checkable
class SupportsPolicy(Protocol):
    """Scoring of answers that a policy is made of; `tune` chooses it."""

    @property
    def policy(self) -> Policy:
        """What was chosen."""

    def without_policy(self) -> Any:  # noqa: ANN401
        """What was learnt so far without the policy: another `Fitted`."""

    @property
    def notes(self) -> Sequence[str]:
        """What of the policy the validation rows gave no reason for, a sentence each."""

    def unmet(self, decoder: Any) -> list[str]:  # noqa: ANN401
        """What of the spec the validation rows did not allow, a sentence each.

        Args:
            decoder: with what was chosen.
        """

    @property
    def precision_metrics(self) -> Sequence[str]:
        """Metrics that say what `policy.target_precision` came to, where answers do not abstain for it."""

    def check_policy(self, validation_rows: int) -> None:
        """Refuse what the spec wants where there are too few rows to choose it on.

        Raises:
            UserError: with how many it takes.
        """


@runtime_checkable
class SupportsProbabilities(Protocol):
    """Scoring of answers whose probabilities can be measured as such."""

    @property
    def of_probabilities(self) -> frozenset[str]:
        """Metrics that say how far the probabilities mean what they say."""

    @property
    def biased(self) -> frozenset[str]:
        """Metrics that resamples are off of to one side: their intervals are reflected."""


@runtime_checkable
class SupportsSamples(Protocol):
    """Scoring of answers that people should read."""

    def samples(self, rows: pa.Table, answers: Sequence[Any]) -> list[dict[str, str]]:
        """A few rows with their answers, for the report."""


@runtime_checkable
class SupportsCorrectness(Protocol):
    """Scoring of answers each of which is right or wrong as a whole."""

    def correct(self, references: Sequence[Any], answers: Sequence[Any]) -> np.ndarray | None:
        """Whether each answer is right, bool [rows]; None of numbers, which are right by degrees."""

    @property
    def proportions(self) -> frozenset[str]:
        """Metrics that are the share of right answers: their intervals need no resampling."""


@runtime_checkable
class SupportsClasses(Protocol):
    """Scoring with metrics that are averages over classes."""

    def classes(self, references: Sequence[Any]) -> np.ndarray | None:
        """Class of each row, int64 [rows]; None where a row has no single one."""

    @property
    def class_averages(self) -> frozenset[str]:
        """Metrics whose resamples must have every class."""


@runtime_checkable
class SupportsBaselines(Protocol):
    """Scoring of what simple models can answer, too."""

    def baselines(self, train: pa.Table, rows: pa.Table) -> Mapping[str, Sequence[Any]]:
        """Name of each baseline, as a sentence goes on with it -> its answers to `rows`, learnt from `train`."""


@runtime_checkable
class SupportsWarnings(Protocol):
    """Scoring that sees at once when a model is of no use."""

    def warnings(self, references: Sequence[Any], answers: Sequence[Any]) -> list[str]:
        """What is plainly wrong with a model that gives these answers, a sentence each; none where all is well."""
