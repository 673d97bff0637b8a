"""What a bundle answers. An answer knows itself: server, command line, packaging, report and page ask it."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self, get_type_hints

from ftcore_runtime.json_types import is_of
from ftcore_runtime.tensors import Tensor
from ftcore_runtime.terminal import json_text

#: What is counted of an answer: measure -> number, or name.
Observation = dict[str, float | str]
#: Characters (from, to) of an input's last text, and what they are.
Mark = tuple[int, int, str]
#: In the summary of an answer that abstains.
ABSTAINED = " (abstained)"


class Answer(ABC):
    """One answer. A subclass is a frozen dataclass whose annotated fields are its JSON and its JSON Schema.

    A field is JSON (texts, numbers, booleans, lists, mappings of texts), or None where it does not apply.
    """

    __slots__ = ()

    #: What the page draws it with: `labels` (fields `scores` and `label` or `labels`), `number` (`value`),
    #: `span` (`text`, `start` and `end` in the input's last text), `entities` (a list of such, with `label`), `text`
    #: (`text`), or `fields`, which draws any.
    widget: ClassVar[str] = "fields"
    #: Whether it has a score that can be explained: whether `targets` ever names any.
    explainable: ClassVar[bool] = True
    #: The Hub's names for tasks with such answers: a task of one of these names has it, any other the first of them.
    hub_tasks: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def summary(self) -> str:
        """What a terminal shows of it."""

    @abstractmethod
    def agrees(self, other: Self) -> bool:
        """Whether both say the same, but for rounding."""

    @abstractmethod
    def margin(self, other: Self) -> float:
        """By how much (in probability, where there is one) this answer prefers what it says over what the other says.

        At most `ftcore_export.parity.TIE` between two that do not agree: rounding decides between them.
        """

    @property
    def marks(self) -> Sequence[Mark]:
        """What a terminal marks in the input's last text, in order; none unless a subclass says so."""
        return ()

    @property
    def category(self) -> str | None:
        """Its name among a few, for metrics and drift; None where there are no few."""
        return None

    @property
    def confidence(self) -> float | None:
        """Its own probability, for drift and policies; None where it has none."""
        return None

    @property
    def quoted(self) -> Sequence[tuple[int, int]]:
        """The characters (from, to) of the input's last text that it quotes; none unless a subclass says so."""
        return [(begin, end) for begin, end, _ in self.marks]

    def targets(self) -> list[str]:
        """What an answer to this input could say and `support` has a number for: its own first.

        Unless a subclass says otherwise: the keys of a field `scores`, or its category if it has a confidence.
        """
        scores = getattr(self, "scores", None)
        if isinstance(scores, Mapping) and scores:
            own = self.category if self.category in scores else max(scores, key=scores.__getitem__)
            return [own, *(name for name in scores if name != own)]
        return [] if self.category is None or self.confidence is None else [self.category]

    def support(self, target: str) -> float:
        """How strongly it says `target`, a probability or a number in its own unit: what explanations are made of.

        Unless a subclass says otherwise: the number of the target in a field `scores`, or the confidence of the
        category, and 0 for anything else.
        """
        scores = getattr(self, "scores", None)
        if isinstance(scores, Mapping) and scores:
            return float(scores.get(target, 0.0))
        return self.confidence or 0.0 if target == self.category else 0.0

    def explained(self) -> list[str]:
        """Those of `targets` that are explained unless others are asked for: the first, unless a subclass says more."""
        return self.targets()[:1]

    def edges(self, target: str) -> dict[str, float]:
        """What of a target is explained apart too, name -> how strongly it says so: nothing unless a subclass does."""
        return {}

    def place(self, target: str) -> Mark | None:
        """Where in the input's last text a target stands, and what it is there; None where it is no span of it."""
        return None

    def observations(self) -> Observation:
        """What a bundle's reference and a server count of it: `label` and `confidence` unless a subclass says more."""
        found: Observation = {} if (category := self.category) is None else {"label": category}
        return found if (confidence := self.confidence) is None else {**found, "confidence": confidence}

    @classmethod
    def tensors(cls, answers: Sequence[Self], labels: Sequence[str]) -> list[Tensor]:
        """Outputs in the Open Inference Protocol of one or more answers, of which all or none lack a field.

        Unless a subclass says otherwise: BYTES, FP32, INT64 or BOOL [answers] of each field that is a text or a number,
        then FP32 [answers, labels] of each that maps the labels to numbers. Others are in the JSON alone.

        Args:
            labels: of the decoder.
        """
        made, wide = [], []
        for name in _names(cls):
            values = [getattr(answer, name) for answer in answers]
            if isinstance(values[0], str):
                made.append(Tensor.of_texts(name, values))
            elif isinstance(values[0], bool):
                made.append(Tensor.of_numbers(name, values, "BOOL"))
            elif isinstance(values[0], (int, float)):
                made.append(
                    Tensor.of_numbers(name, values, "INT64" if isinstance(values[0], int) else "FP32")
                )
            elif isinstance(values[0], Mapping) and labels and values[0].keys() == {*labels}:
                wide.append(Tensor.of_numbers(name, [[value[label] for label in labels] for value in values]))
        return made + wide

    def to_json(self) -> dict[str, Any]:
        """The answer as a JSON object, without the fields that do not apply."""
        return {name: value for name in _names(type(self)) if (value := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What `to_json` wrote.

        Raises:
            TypeError: other keys, or values of other types.
        """
        annotations = _annotations(cls)
        for name, one in value.items():
            if name not in annotations or not is_of(one, annotations[name]):
                raise TypeError(f"{name!r:.60} of {cls.__name__} is not {json_text(one):.60}")
        return cls(**value)


@cache
def _names(kind: type[Answer]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type]


@cache
def _annotations(kind: type[Answer]) -> Mapping[str, Any]:
    annotations = get_type_hints(kind)
    return {name: annotations[name] for name in _names(kind)}


@dataclass(frozen=True, slots=True)
class LabelAnswer(Answer):
    """One label.

    Args:
        label: the most probable one.
        score: its probability.
        scores: label -> probability, in the order of the labels; they sum to 1. Where only the most probable ones were
            asked for, those, most probable first.
        polarity: where the labels are a scale: its expected value under `scores`, -1 to 1.
        abstained: where the bundle has a confidence to abstain below: whether this is below it.
        prediction_set: where the bundle makes conformal sets: the labels that cannot be ruled out, most probable first.
    """

    widget = "labels"
    hub_tasks = ("text-classification",)

    label: str
    score: float
    scores: dict[str, float]
    polarity: float | None = None
    abstained: bool | None = None
    prediction_set: list[str] | None = None

    @property
    def summary(self) -> str:
        """Label and probability."""
        return f"{self.label} {self.score:.3f}{ABSTAINED if self.abstained else ''}"

    @property
    def category(self) -> str:
        """The label."""
        return self.label

    @property
    def confidence(self) -> float:
        """Its probability."""
        return self.score

    def agrees(self, other: Self) -> bool:
        """Whether both name the same label."""
        return self.label == other.label

    def margin(self, other: Self) -> float:
        """Probability by which this answer prefers its own label over the other's.

        A label that is not among its scores counts as improbable, so this errs on the large side.
        """
        return self.score - self.scores.get(other.label, 0.0)


@dataclass(frozen=True, slots=True)
class LabelsAnswer(Answer):
    """Any number of labels.

    Args:
        labels: those at or above the threshold, in the order of the labels.
        scores: label -> probability, each of its own, in the order of the labels. Where only the most probable ones
            were asked for, those and all that hold, most probable first.
    """

    widget = "labels"
    hub_tasks = ("text-classification",)

    labels: list[str]
    scores: dict[str, float]

    @property
    def summary(self) -> str:
        """Labels and their probabilities."""
        return ", ".join(f"{label} {self.scores[label]:.3f}" for label in self.labels) or "(none)"

    @property
    def category(self) -> str:
        """The most probable label that holds."""
        return max(self.labels, key=self.scores.__getitem__, default="(none)")

    @property
    def confidence(self) -> float:
        """The largest probability."""
        return max(self.scores.values())

    def agrees(self, other: Self) -> bool:
        """Whether both hold the same labels."""
        return self.labels == other.labels

    def margin(self, other: Self) -> float:
        """Largest difference in probability of a label that only one of the two holds.

        The threshold lies in between, so this bounds from above how far from it the label was.
        """
        changed = set(self.labels) ^ set(other.labels)
        differences = (abs(self.scores.get(name, 0.0) - other.scores.get(name, 0.0)) for name in changed)
        return max(differences, default=0.0)

    @classmethod
    def tensors(cls, answers: Sequence[Self], labels: Sequence[str]) -> list[Tensor]:
        """`held` BOOL and `scores` FP32, both [answers, labels]."""
        held = [[label in answer.labels for label in labels] for answer in answers]
        scores = [[answer.scores[label] for label in labels] for answer in answers]
        return [Tensor.of_numbers("held", held, "BOOL"), Tensor.of_numbers("scores", scores)]


@dataclass(frozen=True, slots=True)
class ValueAnswer(Answer):
    """A number, in the unit of the training labels."""

    widget = "number"
    hub_tasks = ("text-classification",)

    value: float

    @property
    def summary(self) -> str:
        """The number."""
        return f"{self.value:.4g}"

    def targets(self) -> list[str]:
        """The number."""
        return ["value"]

    def support(self, target: str) -> float:
        """The number."""
        return self.value

    def observations(self) -> Observation:
        """The number."""
        return {"value": self.value}

    def agrees(self, other: Self) -> bool:
        """Always: a number differs by degree, which the difference of the logits says already."""
        return True

    def margin(self, other: Self) -> float:
        """The difference of the two numbers."""
        return abs(self.value - other.value)


@dataclass(frozen=True, slots=True)
class TextAnswer(Answer):
    """A text that was generated.

    Args:
        text: without special tokens.
        score: mean log-probability of its tokens, the end among them; of beams their sum divided by
            length ** length_penalty. Earlier bundles have the sum, where candidates are asked for; else None.
        candidates: where several were asked for, the best beams, as mappings of text and score.
    """

    widget = "text"
    explainable = False
    hub_tasks = ("text-generation", "translation", "summarization")

    text: str
    score: float | None = None
    candidates: list[dict[str, Any]] | None = None

    @property
    def summary(self) -> str:
        """The text."""
        return self.text

    def agrees(self, other: Self) -> bool:
        """Whether both are the same text."""
        return self.text == other.text

    def margin(self, other: Self) -> float:
        """By how much the score of this text exceeds the other's among the candidates; 1 where it is none of them."""
        scores = {candidate["text"]: candidate["score"] for candidate in reversed(self.candidates or [])}
        if self.score is None or other.text not in scores:
            return 0.0 if self.text == other.text else 1.0
        found: float = max(0.0, self.score - scores[other.text])
        return found


def to_jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """JSON objects as UTF-8 JSON Lines, each line ended; a lone surrogate stays an escape."""
    text = "".join(json_text(row, allow_nan=False) + "\n" for row in rows)
    return text.encode(errors="backslashreplace")
