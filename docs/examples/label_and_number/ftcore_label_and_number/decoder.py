"""Outputs to answers, for evaluation and for serving: numpy and `ftcore_runtime.api` alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ftcore_runtime.api import Answer, BundleError, Decoder, Fields, Observation, Prepared


@dataclass(frozen=True, slots=True)
class LabelAndNumberAnswer(Answer):
    """A label with its probability, all probabilities, and a number in the unit of the training rows."""

    label: str
    score: float
    scores: dict[str, float]
    number: float

    @property
    def summary(self) -> str:
        """What a terminal shows."""
        return f"{self.label} {self.score:.3f}, {self.number:.4g}"

    @property
    def category(self) -> str:
        """The label."""
        return self.label

    @property
    def confidence(self) -> float:
        """Of the label."""
        return self.score

    def observations(self) -> Observation:
        """The number is watched for drift as well."""
        return {"label": self.label, "confidence": self.score, "number": self.number}

    def agrees(self, other: Self) -> bool:
        """Whether the label is the same: a number differs by degree."""
        return self.label == other.label

    def margin(self, other: Self) -> float:
        """Probability by which this answer prefers its own label."""
        return self.score - self.scores[other.label]


@dataclass(frozen=True)
class LabelAndNumberDecoder(Decoder):
    """Decodes `label_logits` [rows, labels], and `number` [rows, 1] in deviations of `scale` from `mean`."""

    outputs: ClassVar[tuple[str, ...]] = ("label_logits", "number")

    names: tuple[str, ...]
    mean: float
    scale: float

    @classmethod
    def from_json(cls, settings: Mapping[str, Any], where: str) -> Self:
        """Read `{labels, mean, scale}`."""
        fields = Fields(settings, where)
        decoder = cls(fields.strings("labels"), fields.number("mean"), fields.number("scale"))
        fields.end()
        return decoder

    @property
    def answer(self) -> type[LabelAndNumberAnswer]:
        """The kind of its answers."""
        return LabelAndNumberAnswer

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the logits."""
        return self.names

    def decode(
        self, outputs: Mapping[str, np.ndarray], prepared: Prepared | None = None, top_k: int | None = None
    ) -> list[Answer]:
        """One answer a row."""
        logits = np.asarray(outputs["label_logits"], np.float64)
        if logits.ndim != 2 or logits.shape[1] != len(self.names):
            raise BundleError(f"logits of shape {logits.shape} for {len(self.names)} labels")
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = (powers / powers.sum(axis=1, keepdims=True)).tolist()
        numbers = (np.asarray(outputs["number"], np.float64)[:, 0] * self.scale + self.mean).tolist()
        answers: list[Answer] = []
        for row, number in zip(shares, numbers, strict=True):
            scores = dict(zip(self.names, row, strict=True))
            label = max(scores, key=scores.__getitem__)
            answers.append(LabelAndNumberAnswer(label, scores[label], scores, number))
        return answers
