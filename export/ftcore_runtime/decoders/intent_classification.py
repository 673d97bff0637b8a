"""Logits of a text to an intent, or to none of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders.base import Prepared
from ftcore_runtime.decoders.windowed import PooledDecoder, read_windows
from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields
from ftcore_runtime.pooled_windows import PooledWindows
from ftcore_runtime.scope import SPACES, Space
from ftcore_runtime.softmax import softmax
from ftcore_runtime.tensors import Tensor

#: What tells a text of an intent from one of none. `probability`: the largest softmax (Hendrycks and Gimpel 2017);
#: `energy`: the logarithm of the sum of exp over the logits (Liu et al. 2020).
OF_LOGITS = ("probability", "energy")
#: Those, and distances in the space that the head reads: see `scope`.
METHODS = (*OF_LOGITS, *SPACES)
#: Category of an answer that names no intent.
REJECTED = "(out of scope)"
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class IntentAnswer(Answer):
    """An intent, or none.

    Args:
        label: the most probable intent; None where the text is out of scope.
        out_of_scope: whether it is.
        score: probability of the most probable intent among all of them, whether or not it is the answer.
        in_scope: by how much what tells texts of intents exceeds its threshold; below 0 out of scope.
        nearest: the most probable intents, at most three.
        scores: intent -> probability, in the order of the labels; where only some were asked for, most probable first.
    """

    widget = "labels"
    hub_tasks = ("text-classification",)

    label: str | None
    out_of_scope: bool
    score: float
    in_scope: float
    nearest: list[str]
    scores: dict[str, float]

    @property
    def summary(self) -> str:
        """The intent and its probability, or what was nearest."""
        if self.label is None:
            return f"{REJECTED} nearest: {', '.join(self.nearest)}"
        return f"{self.label} {self.score:.3f}"

    @property
    def category(self) -> str:
        """The intent."""
        return self.label or REJECTED

    @property
    def confidence(self) -> float:
        """Probability of the most probable intent."""
        return self.score

    def agrees(self, other: Self) -> bool:
        """Whether both name the same intent, or none."""
        return self.label == other.label

    def margin(self, other: Self) -> float:
        """The distance to the threshold where one of the two names none, else the difference of probability."""
        if self.out_of_scope != other.out_of_scope:
            return abs(self.in_scope)
        return self.score - self.scores.get(other.label or "", 0.0)

    @classmethod
    def tensors(cls, answers: Sequence[Self], labels: Sequence[str]) -> list[Tensor]:
        """`label` BYTES (empty for none), `out_of_scope` BOOL, `score`, `in_scope` FP32; `scores` FP32 [n, labels]."""
        made = [
            Tensor.of_texts("label", [answer.label or "" for answer in answers]),
            Tensor.of_numbers("out_of_scope", [answer.out_of_scope for answer in answers], "BOOL"),
            Tensor.of_numbers("score", [answer.score for answer in answers]),
            Tensor.of_numbers("in_scope", [answer.in_scope for answer in answers]),
        ]
        if answers[0].scores.keys() == {*labels}:
            rows = [[answer.scores[label] for label in labels] for answer in answers]
            made.append(Tensor.of_numbers("scores", rows))
        return made

    def to_json(self) -> dict[str, Any]:
        """All fields: `label` is null for none."""
        return {
            "label": self.label,
            "out_of_scope": self.out_of_scope,
            "score": self.score,
            "in_scope": self.in_scope,
            "nearest": self.nearest,
            "scores": self.scores,
        }


@dataclass(frozen=True)
class IntentClassificationDecoder(PooledDecoder):
    """Decodes `logits`, [rows, labels].

    Args:
        names: intents in the order of the logits.
        method: see `METHODS`.
        threshold: what is below it is out of scope; None rejects nothing.
        windows: see `SequenceClassificationDecoder`.
        space: what a method of distances needs; None of the others.
    """

    names: tuple[str, ...]
    method: str
    threshold: float | None
    windows: PooledWindows | None = None
    space: Space | None = None

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]  # by the method
        """The logits; for distances what the head reads, float [rows, size], too."""
        return ("logits",) if self.space is None else ("logits", "pooled")

    @classmethod
    def from_json(cls, settings: Mapping[str, Any], where: str) -> Self:
        """Read `{labels, method, threshold, windows, space}`; see the base class."""
        fields = Fields(settings, where)
        names = fields.strings("labels")
        if len(names) < 2:
            raise fields.error("labels", "expected two or more")
        method = fields.choice("method", METHODS)
        threshold = None if fields.is_null("threshold") else fields.number("threshold")
        windows, space = read_windows(fields, where), None
        if method in SPACES:
            space = SPACES[method].from_json(fields.mapping("space"), f"{where}.space")
        fields.end()
        return cls(names, method, threshold, windows, space)

    @property
    def answer(self) -> type[IntentAnswer]:
        """Intents."""
        return IntentAnswer

    @property
    def labels(self) -> tuple[str, ...]:
        """Intents in the order of the logits."""
        return self.names

    def decode(
        self, outputs: Mapping[str, np.ndarray], prepared: Prepared | None = None, top_k: int | None = None
    ) -> list[Any]:
        """One `IntentAnswer` for each text, or without `prepared` for each row of logits."""
        if prepared is not None:
            outputs = self.pooled(outputs, prepared.row)
        logits = np.asarray(outputs["logits"], np.float64)
        if logits.ndim != 2 or logits.shape[1] != len(self.names):
            raise BundleError(
                f"the graph gave logits of shape {logits.shape} for {len(self.names)} labels", where="logits"
            )
        inside = self._inside(logits, outputs) - (self.threshold or 0.0)
        shares = softmax(logits)
        order = np.argsort(-shares, axis=1, kind="stable")
        return [
            self._answer(own, ranked, margin, top_k)
            for own, ranked, margin in zip(shares.tolist(), order.tolist(), inside.tolist(), strict=True)
        ]

    def _inside(self, logits: NDArray[np.float64], outputs: Mapping[str, np.ndarray]) -> NDArray[np.float64]:
        """What is larger for texts of an intent, float64 [rows]."""
        if self.space is None:
            return scope_scores(logits, self.method)
        return self.space.scores(np.asarray(outputs["pooled"]))

    def _answer(
        self, shares: list[float], order: list[int], margin: float, top_k: int | None
    ) -> IntentAnswer:
        rejected = self.threshold is not None and margin < 0
        few = top_k is not None and top_k < len(order)
        named = order[:top_k] if few else range(len(order))
        return IntentAnswer(
            label=None if rejected else self.names[order[0]],
            out_of_scope=rejected,
            score=shares[order[0]],
            in_scope=margin,
            nearest=[self.names[index] for index in order[:_NEAREST]],
            scores={self.names[index]: shares[index] for index in named},
        )


def scope_scores(logits: NDArray[np.float64], method: str) -> NDArray[np.float64]:
    """What is larger for texts of an intent than for those of none, float64 [rows].

    Args:
        logits: [rows, labels].
        method: one of `OF_LOGITS`.
    """
    top = logits.max(axis=1)
    total: NDArray[np.float64] = np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return total + top if method == "energy" else np.exp(-total)
