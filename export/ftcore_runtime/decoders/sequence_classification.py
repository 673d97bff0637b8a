"""Logits of a text (or a pair) to a label, several labels, or a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.answers import Answer, LabelAnswer, LabelsAnswer, ValueAnswer
from ftcore_runtime.decoders.base import Prepared
from ftcore_runtime.decoders.windowed import PooledDecoder, read_windows
from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields
from ftcore_runtime.policy import PLAIN, Policy
from ftcore_runtime.pooled_windows import PooledWindows
from ftcore_runtime.softmax import softmax

_CELLS = 2**21  # probabilities that are made at a time


@dataclass(frozen=True)
class SequenceClassificationDecoder(PooledDecoder):
    """Decodes `logits`, [features, labels] or, for a regression, [features, 1].

    Args:
        problem: `single_label`, `multi_label` or `regression`.
        names: label names in the order of the logits; empty for a regression.
        thresholds: multi-label: the probability from which a label holds, one for all or one for each.
        polarity: value of each label on a scale from -1 to 1, where the labels are one.
        pair: whether it was trained on pairs of texts, or on texts; None in older bundles, which do not say it and
            answer both.
        policy: what is made of the scores.
        windows: how texts longer than the model reads are cut, and their logits (or numbers) pooled; None: they lose
            their end.
    """

    outputs: ClassVar[tuple[str, ...]] = ("logits",)

    problem: str
    names: tuple[str, ...]
    thresholds: tuple[float, ...]
    polarity: tuple[float, ...] | None
    pair: bool | None = None
    policy: Policy = PLAIN
    windows: PooledWindows | None = None

    @classmethod
    def from_json(cls, settings: Mapping[str, Any], where: str) -> Self:
        """Read `{problem, labels, threshold, polarity, pair, policy, windows}`; see the base class."""
        fields = Fields(settings, where)
        problem = fields.choice("problem", ("single_label", "multi_label", "regression"))
        names = fields.strings("labels")
        if (len(names) < 2) != (problem == "regression") or (problem == "regression" and names):
            raise fields.error("labels", f"{len(names)} of them do not fit the problem {problem}")
        thresholds = fields.numbers("threshold")
        if len(thresholds) not in (1, len(names)):
            raise fields.error("threshold", f"expected one, or one for each of {len(names)} labels")
        if not all(0 < threshold < 1 for threshold in thresholds):
            raise fields.error("threshold", "must lie between 0 and 1")
        polarity = None
        if not fields.is_null("polarity"):
            values = fields.take("polarity", list)
            if problem != "single_label" or len(values) != len(names):
                raise fields.error(
                    "polarity", "expected null, or a number for each label of a single-label problem"
                )
            if not all(type(value) in (int, float) and -1 <= value <= 1 for value in values):
                raise fields.error("polarity", "expected numbers from -1 to 1")
            polarity = tuple(float(value) for value in values)
        pair = fields.take("pair", bool) if fields.has("pair") else None
        policy = PLAIN
        if fields.has("policy"):
            policy = Policy.from_json(fields.mapping("policy"), f"{where}.policy")
        if problem != "single_label" and policy != Policy(policy.temperature):
            raise fields.error("policy", "only answers of one label abstain or have sets")
        windows = read_windows(fields, where)
        if windows is not None and pair is not False:
            raise fields.error("windows", "only a lone text is read in windows")
        fields.end()
        return cls(problem, names, thresholds, polarity, pair, policy, windows)

    @property
    def answer(self) -> type[Answer]:
        """As the problem says."""
        if self.problem == "regression":
            return ValueAnswer
        return LabelsAnswer if self.problem == "multi_label" else LabelAnswer

    @property
    def fields(self) -> tuple[str, ...]:
        """A text; of pairs the second one too."""
        return ("text",) if self.pair is False else ("text", "text_pair")

    @property
    def required(self) -> int:
        """Both of a pair."""
        return 2 if self.pair else 1

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits; none for a regression."""
        return self.names

    def probabilities(self, outputs: Mapping[str, np.ndarray]) -> NDArray[np.float64]:
        """Softmax or sigmoid of the logits, [rows, labels]; a regression's numbers as they are."""
        logits = np.asarray(outputs["logits"], np.float64)
        if logits.ndim != 2 or logits.shape[1] != (len(self.names) or 1):
            raise BundleError(
                f"the graph gave logits of shape {logits.shape} for {len(self.names)} labels", where="logits"
            )
        if self.problem != "regression":
            logits = logits / self.policy.temperature
        if self.problem == "single_label":
            return softmax(logits)
        if self.problem == "multi_label":
            powers = np.exp(-np.abs(logits))  # never above 1, so never overflows
            return np.where(logits >= 0, 1.0, powers) / (1.0 + powers)
        return logits

    def decode(
        self,
        outputs: Mapping[str, np.ndarray],
        prepared: Prepared | None = None,
        top_k: int | None = None,
    ) -> list[Answer]:
        """One `LabelAnswer`, `LabelsAnswer` or `ValueAnswer` for each text (row of logits without `prepared`).

        Args:
            top_k: labels in the scores of an answer, the most probable ones; all unless given.
        """
        if prepared is not None:
            outputs = self.pooled(outputs, prepared.row)
        logits = np.atleast_1d(outputs["logits"])
        rows = max(1, _CELLS // max(1, len(self.names)))
        answers: list[Answer] = []
        # Some rows at a time, so that what is made on the way stays small, however many labels there are.
        for start in range(0, len(logits), rows):
            answers += self._decode(self.probabilities({"logits": logits[start : start + rows]}), top_k)
        return answers

    def _decode(self, values: NDArray[np.float64], top_k: int | None) -> list[Answer]:
        """Answers with these probabilities (or numbers), [rows, labels]."""
        if self.problem == "regression":
            return [ValueAnswer(row[0]) for row in values.tolist()]
        held = values >= np.array(self.thresholds) if self.problem == "multi_label" else None
        scores = self._scores(values, held, top_k)
        if held is not None:
            return [
                LabelsAnswer(list(compress(self.names, holds)), row)
                for row, holds in zip(scores, held.tolist(), strict=True)
            ]
        best = values.argmax(axis=1)
        top = values[np.arange(len(values)), best].tolist()
        scale = [None] * len(top) if self.polarity is None else (values @ np.array(self.polarity)).tolist()
        return [
            LabelAnswer(self.names[index], score, row, polarity, self.policy.abstains(score), members)
            for index, score, row, polarity, members in zip(
                best.tolist(), top, scores, scale, self._sets(values), strict=True
            )
        ]

    def _scores(
        self, values: NDArray[np.float64], held: NDArray[np.bool_] | None, top_k: int | None
    ) -> list[dict[str, float]]:
        """Label -> probability of each row: of all in their order, or of the `top_k` most probable and all `held`."""
        names = self.names
        if top_k is None or top_k >= len(names):
            return [dict(zip(names, row, strict=True)) for row in values.tolist()]
        least = np.partition(values, -top_k, axis=1)[:, -top_k]
        made = []
        for index, row in enumerate(values):
            holds = np.zeros(len(row), bool) if held is None else held[index]
            chosen = np.flatnonzero((row >= least[index]) | holds)
            # By probability, then by index: of equals the first is the answer, so it stands first.
            ranked = chosen[np.lexsort((chosen, -row[chosen]))].tolist()
            made.append(
                {
                    names[index]: row[index].item()
                    for rank, index in enumerate(ranked)
                    if rank < top_k or holds[index]
                }
            )
        return made

    def _sets(self, values: NDArray[np.float64]) -> Iterator[list[str] | None]:
        """The conformal set of each row, most probable first; None where the policy makes none."""
        if self.policy.conformal is None:
            yield from (None for _ in values)
            return
        for row, members in zip(values, self.policy.conformal.members(values), strict=True):
            chosen = np.flatnonzero(members)
            yield [self.names[index] for index in chosen[np.argsort(-row[chosen], kind="stable")]]
