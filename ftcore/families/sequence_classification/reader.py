"""Rows of the family `sequence_classification`: texts, labels and weights; label names and class weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftcore.errors import RowError
from ftcore.families.reader import Reader, finite_number
from ftcore.families.sequence_classification.labels import check_names, label_name, label_set, natural
from ftcore.families.sequence_classification.spec import SequenceClassificationSpec
from ftcore.families.spelling import unknown_label
from ftcore_runtime.policy import PLAIN, Policy

_SHOWN = 60  # characters of a cell in a message
#: Numbers whose squares, summed over a batch, float32 holds; and weights likewise: they count against one another.
_MOST, _MOST_WEIGHT = 1e15, 1e6


@dataclass(frozen=True)
class FittedLabels:
    """What the training rows teach; empty for a regression.

    Args:
        labels: names, in the order of the logits.
        counts: training rows of each label.
        class_weights: of each label in the loss; None weighs rows alike.
        thresholds: the probability from which each of several labels holds, tuned on validation rows; None before.
        policy: what is made of the scores, chosen on validation rows.
        notes: what of a policy these rows gave no reason for, a sentence each.
    """

    labels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    class_weights: tuple[float, ...] | None = None
    thresholds: tuple[float, ...] | None = None
    policy: Policy = PLAIN
    notes: tuple[str, ...] = ()

    @property
    def label_counts(self) -> dict[str, int]:
        """Label -> training rows of it."""
        return dict(zip(self.labels, self.counts, strict=True))

    def to_json(self) -> dict[str, Any]:
        """As `LabelReader.restore` reads it."""
        return asdict(self)


class LabelReader(Reader[SequenceClassificationSpec, FittedLabels]):
    """Reads texts (or pairs) with a label, several labels or a number."""

    @property
    def schema(self) -> pa.Schema:
        """text, text_pair (null without pairs), label (string, list of strings or double), weight."""
        label = {
            "single_label": pa.string(),
            "multi_label": pa.list_(pa.string()),
            "regression": pa.float64(),
        }
        return pa.schema(
            [
                ("text", pa.string()),
                ("text_pair", pa.string()),
                ("label", label[self.spec.data.problem]),
                ("weight", pa.float32()),
            ]
        )

    @property
    def columns(self) -> Mapping[str, str]:
        """The source's name of each field that is read."""
        return self.spec.data.columns.model_dump(exclude_none=True)

    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One source row -> text, text_pair, label, weight."""
        names = self.spec.data.columns
        return {
            "text": _text(row, names.text),
            "text_pair": _text(row, names.text_pair) if names.text_pair else None,
            "label": self._label(row[names.label], names.label),
            "weight": _weight(row[names.weight], names.weight) if names.weight else 1.0,
        }

    def _label(self, value: Any, column: str) -> Any:  # noqa: ANN401 (as the problem says)
        if self.spec.data.problem == "regression":
            return _number(value, column)
        if self.spec.data.problem == "single_label":
            label = "" if value is None or value != value else label_name(value, column)  # NaN
            if not label:
                raise RowError("the label is empty", column)
            return label
        return label_set(value, column, self.spec.data.label_separator, self.spec.data.labels)

    def strata(self, table: pa.Table) -> np.ndarray | None:
        """The label; for several labels, their combination; none for a regression."""
        if self.spec.data.problem == "regression":
            return None
        label = table["label"].combine_chunks()
        if self.spec.data.problem == "multi_label":
            label = pc.binary_join(label, "\x1f")
        found: np.ndarray | None = (
            label.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
        )
        return found

    def memberships(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray] | None:
        """Every label of every row; none for a regression, and where the spec names the labels itself."""
        if self.spec.data.problem == "regression" or self.spec.data.labels:
            return None
        label = table["label"].combine_chunks()
        rows = np.arange(len(label), dtype=np.int64)
        if self.spec.data.problem == "multi_label":
            rows = pc.list_parent_indices(label).to_numpy().astype(np.int64)
            label = pc.list_flatten(label)
        codes = label.dictionary_encode().indices.to_numpy(zero_copy_only=False)
        return rows, codes.astype(np.int64)

    @property
    def texts(self) -> tuple[str, ...]:
        """The text, and its pair."""
        return ("text", "text_pair") if self.spec.data.columns.text_pair else ("text",)

    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """The text (and its pair), without case and outer space."""
        text = pc.utf8_lower(pc.utf8_trim_whitespace(table["text"]))
        if self.spec.data.columns.text_pair:
            pair = pc.utf8_lower(pc.utf8_trim_whitespace(table["text_pair"]))
            text = pc.binary_join_element_wise(text, pair, "\x1f")
        return text

    def fit(self, train: pa.Table) -> FittedLabels:
        """Label names (as given, or sorted; numbers by value), rows of each, and class weights."""
        if pc.max(train["weight"]).as_py() == 0:
            raise RowError("every training row has the weight 0", self.spec.data.columns.weight)
        if self.spec.data.problem == "regression":
            least, most = pc.min_max(train["label"]).as_py().values()
            if least == most:
                what = f"every training row has the number {most:g}, and nothing is learnt from one"
                raise RowError(what, self.spec.data.columns.label)
            return FittedLabels()
        column = (
            pc.list_flatten(train["label"]) if self.spec.data.problem == "multi_label" else train["label"]
        )
        counted = {item["values"]: item["counts"] for item in pc.value_counts(column).to_pylist()}
        labels = tuple(self.spec.data.labels or sorted(counted, key=natural))
        if self.spec.data.problem == "multi_label" and not self.spec.data.labels:
            check_names(labels, self.spec.data.columns.label, self.spec.data.label_separator)
        if len(counted) < 2:
            raise RowError(
                f"the training rows have {len(counted)} different label(s); at least 2 are needed",
                self.spec.data.columns.label,
            )
        counts = tuple(counted.get(label, 0) for label in labels)
        return FittedLabels(labels, counts, self._class_weights(labels, counts))

    def _class_weights(self, labels: Sequence[str], rows: Sequence[int]) -> tuple[float, ...] | None:
        """Weight of each label in the loss; the mean over the labels that have rows weighs rows alike."""
        training = self.spec.training
        weights = training.class_weights
        if weights == "none":
            return None
        if isinstance(weights, dict):
            if strangers := sorted(set(weights) - set(labels)):
                what = f"training.class_weights names {strangers[0]!r}, which is no label"
                raise RowError(what, self.spec.data.columns.label)
            given = tuple(weights.get(label, 1.0) for label in labels)
            if not any(count * weight for count, weight in zip(rows, given, strict=True)):
                what = "training.class_weights gives every label of the training rows the weight 0"
                raise RowError(what, self.spec.data.columns.label)
            return given
        counts = [float(count) for count in rows]
        if weights == "effective_number":  # Cui et al. 2019: the n-th row of a label adds beta^(n-1) to it
            beta = training.effective_number_beta
            counts = [(1.0 - beta**count) / (1.0 - beta) for count in counts]
        share = sum(counts) / max(1, sum(count > 0 for count in counts))
        return tuple(share / count if count else 1.0 for count in counts)

    def check(self, table: pa.Table, fitted: FittedLabels) -> tuple[int, RowError] | None:
        """The first row with a label that is not one of `labels`."""
        if self.spec.data.problem == "regression":
            return None
        known = set(fitted.labels)
        for index, value in enumerate(table["label"].to_pylist()):
            for label in value if isinstance(value, list) else (value,):
                if label not in known:
                    return index, RowError(unknown_label(label, fitted.labels), self.spec.data.columns.label)
        return None

    @property
    def perturbable(self) -> tuple[str, ...]:
        """The texts."""
        return self.texts

    def restore(self, value: Mapping[str, Any]) -> FittedLabels:
        """Label names, rows of each, class weights, thresholds and policy."""
        weights, thresholds = value["class_weights"], value["thresholds"]
        return FittedLabels(
            tuple(value["labels"]),
            tuple(value["counts"]),
            None if weights is None else tuple(weights),
            None if thresholds is None else tuple(thresholds),
            Policy.from_json(value["policy"], "policy") if "policy" in value else PLAIN,
            tuple(value.get("notes", ())),
        )

    def inputs(self, rows: pa.Table) -> list[Any]:
        """The texts, or pairs of texts."""
        texts: list[Any] = rows["text"].to_pylist()
        if not self.spec.data.columns.text_pair:
            return texts
        return list(zip(texts, rows["text_pair"].to_pylist(), strict=True))

    def references(self, rows: pa.Table) -> list[Any]:
        """Label name, list of label names, or number."""
        found: list[Any] = rows["label"].to_pylist()
        return found


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise RowError(f"expected text, got {value!r}", column)
    if not value.strip():
        raise RowError("the text is empty", column)
    return value


def _number(value: Any, column: str, most: float = _MOST) -> float:  # noqa: ANN401
    number = finite_number(value)
    if number is None:
        raise RowError(f"expected a finite number, got {value!r:.{_SHOWN}}", column)
    if abs(number) > most:
        raise RowError(
            f"{value!r:.{_SHOWN}} is beyond {most:g}, as far as numbers are learnt: scale them", column
        )
    return number


def _weight(value: Any, column: str | None) -> float:  # noqa: ANN401
    if value is None or value == "":
        return 1.0
    weight = _number(value, column or "weight", _MOST_WEIGHT)
    if weight < 0:
        raise RowError(f"a weight cannot be negative: {value!r}", column)
    return weight
