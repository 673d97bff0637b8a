"""What a bundle answers, by family; every answer is JSON through `to_json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class LabelAnswer:
    """One label.

    Args:
        label: the most probable one.
        score: its probability.
        scores: label -> probability, in the order of the labels; they sum to 1.
        polarity: where the labels are a scale: its expected value under `scores`, -1 to 1.
    """

    label: str
    score: float
    scores: dict[str, float]
    polarity: float | None = None

    def agrees(self, other: LabelAnswer) -> bool:
        """Whether both name the same label."""
        return self.label == other.label

    def margin(self, other: LabelAnswer) -> float:
        """Probability by which this answer prefers its own label over the other's."""
        return self.score - self.scores[other.label]


@dataclass(frozen=True, slots=True)
class LabelsAnswer:
    """Any number of labels.

    Args:
        labels: those at or above the threshold, in the order of the labels.
        scores: label -> probability, each of its own.
    """

    labels: list[str]
    scores: dict[str, float]

    def agrees(self, other: LabelsAnswer) -> bool:
        """Whether both hold the same labels."""
        return self.labels == other.labels

    def margin(self, other: LabelsAnswer) -> float:
        """Largest difference in probability of a label that only one of the two holds.

        The threshold lies in between, so this bounds from above how far from it the label was.
        """
        changed = set(self.labels) ^ set(other.labels)
        return max((abs(self.scores[name] - other.scores[name]) for name in changed), default=0.0)


@dataclass(frozen=True, slots=True)
class ValueAnswer:
    """A number, in the unit of the training labels."""

    value: float

    def agrees(self, other: ValueAnswer) -> bool:
        """Always: a number differs by degree, which the difference of the logits says already."""
        return True

    def margin(self, other: ValueAnswer) -> float:
        """The difference of the two numbers."""
        return abs(self.value - other.value)


@dataclass(frozen=True, slots=True)
class SpanAnswer:
    """A span of a context, or no answer.

    Args:
        text: as the context has it; empty for no answer.
        start, end: its characters (Unicode code points) of the context, `end` excluded; None for no answer.
        score: its probability among all spans of the context, and no answer where that is one.
        no_answer: probability that the context has no answer; None where every question has one.
        candidates: where several were asked for, the best spans, as mappings of text, start, end and score.
    """

    text: str
    start: int | None = None
    end: int | None = None
    score: float = 0.0
    no_answer: float | None = None
    candidates: list[dict[str, Any]] | None = None

    def agrees(self, other: SpanAnswer) -> bool:
        """Whether both have the same text, wherever it stands."""
        return self.text == other.text

    def margin(self, other: SpanAnswer) -> float:
        """Probability by which this answer prefers its own text over the other's, at least 0.

        A text that is not among the candidates counts as improbable, so this errs on the large side.
        """
        scores = {"": self.no_answer or 0.0}
        for candidate in reversed(self.candidates or []):
            scores[candidate["text"]] = candidate["score"]
        return max(0.0, self.score - scores.get(other.text, 0.0))


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """A text that was written.

    Args:
        text: without special tokens.
        score: log-probability of its tokens; of beams, divided by length ** length_penalty. None where nobody asked.
        candidates: where several were asked for, the best beams, as mappings of text and score.
    """

    text: str
    score: float | None = None
    candidates: list[dict[str, Any]] | None = None

    def agrees(self, other: TextAnswer) -> bool:
        """Whether both are the same text."""
        return self.text == other.text

    def margin(self, other: TextAnswer) -> float:
        """By how much the score of this text exceeds the other's among the candidates; 1 where it is none of them."""
        scores = {candidate["text"]: candidate["score"] for candidate in reversed(self.candidates or [])}
        if self.score is None or other.text not in scores:
            return 0.0 if self.text == other.text else 1.0
        return max(0.0, self.score - scores[other.text])


Answer: TypeAlias = LabelAnswer | LabelsAnswer | ValueAnswer | SpanAnswer | TextAnswer


def to_json(answer: Answer) -> dict[str, Any]:
    """The answer as a JSON object, without the fields that its task does not have."""
    return {name: value for name in answer.__slots__ if (value := getattr(answer, name)) is not None}


def to_jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """JSON objects as UTF-8 JSON Lines, each line ended; a lone surrogate stays an escape."""
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    return text.encode(errors="backslashreplace")
