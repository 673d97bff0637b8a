"""Answers that point into a text: the span that answers a question, and the entities of a text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Self

from ftcore_runtime.answers import ABSTAINED, Answer, Mark, Observation
from ftcore_runtime.segmentation import words
from ftcore_runtime.tensors import Tensor

#: Entities of one text that are explained unless some are named.
MOST_EXPLAINED = 20


@dataclass(frozen=True, slots=True)
class SpanAnswer(Answer):
    """A span of a context, or no answer.

    Args:
        text: as the context has it; empty for no answer.
        start, end: its characters (Unicode code points) of the context, `end` excluded; None for no answer.
        score: its probability among all spans of the context, and no answer where that is one.
        no_answer: probability that the context has no answer; None where every question has one.
        candidates: where several were asked for, the best spans, as mappings of text, start, end and score.
        abstained: where the bundle has a confidence to abstain below: whether `score` is below it.
    """

    widget = "span"
    hub_tasks = ("question-answering",)

    text: str
    start: int | None = None
    end: int | None = None
    score: float = 0.0
    no_answer: float | None = None
    candidates: list[dict[str, Any]] | None = None
    abstained: bool | None = None

    @property
    def summary(self) -> str:
        """Text and probability."""
        return f"{self.text or '(no answer)'} {self.score:.3f}{ABSTAINED if self.abstained else ''}"

    @property
    def category(self) -> str:
        """Whether there is an answer."""
        return "answer" if self.text else "no answer"

    @property
    def confidence(self) -> float:
        """Its probability."""
        return self.score

    @property
    def quoted(self) -> list[tuple[int, int]]:
        """Where the text stands."""
        return [] if self.start is None or self.end is None else [(self.start, self.end)]

    def targets(self) -> list[str]:
        """Its text, then those of its candidates; the empty one is no answer."""
        others = [candidate["text"] for candidate in self.candidates or []]
        return list(dict.fromkeys([self.text, *others, *([""] if self.no_answer is not None else [])]))

    def support(self, target: str) -> float:
        """The probability of the text, wherever it stands, among the candidates; of the empty one that of no answer."""
        if not target:
            return self.no_answer or 0.0
        if self.candidates is None:
            return self.score if target == self.text else 0.0
        return math.fsum(one["score"] for one in self.candidates if one["text"] == target)

    def edges(self, target: str) -> dict[str, float]:
        """`start` and `end`: the probability, among the candidates, of spans whose first, and whose last, word is
        that of the text, wherever they stand. No answer has none.
        """
        if not target:
            return {}
        spans = self.candidates or [{"text": self.text, "score": self.score}]
        first, last = _outer_words(target)
        outer = [(*_outer_words(one["text"]), one["score"]) for one in spans]
        return {
            "start": math.fsum(score for begins, _, score in outer if begins == first),
            "end": math.fsum(score for _, ends, score in outer if ends == last),
        }

    def place(self, target: str) -> Mark | None:
        """Where the likeliest span with this text stands."""
        for one in [self.to_json(), *(self.candidates or [])]:
            if one["text"] == target and target:
                return one["start"], one["end"], ""
        return None

    def agrees(self, other: Self) -> bool:
        """Whether both have the same text, wherever it stands."""
        return self.text == other.text

    def margin(self, other: Self) -> float:
        """Probability by which this answer prefers its own text over the other's, at least 0.

        A text that is not among the candidates counts as improbable, so this errs on the large side.
        """
        scores = {"": self.no_answer or 0.0}
        for candidate in reversed(self.candidates or []):
            scores[candidate["text"]] = candidate["score"]
        return max(0.0, self.score - scores.get(other.text, 0.0))

    @classmethod
    def tensors(cls, answers: Sequence[Self], labels: Sequence[str]) -> list[Tensor]:
        """`text` BYTES, `start` and `end` INT64 (-1 for no answer), `score` and, if there is one, `no_answer` FP32."""
        made = [Tensor.of_texts("text", [answer.text for answer in answers])]
        for name in ("start", "end"):
            positions = [getattr(answer, name) for answer in answers]
            made.append(
                Tensor.of_numbers(
                    name, [-1 if position is None else position for position in positions], "INT64"
                )
            )
        made.append(Tensor.of_numbers("score", [answer.score for answer in answers]))
        if answers[0].no_answer is not None:
            made.append(Tensor.of_numbers("no_answer", [answer.no_answer for answer in answers]))
        if answers[0].abstained is not None:
            made.append(Tensor.of_numbers("abstained", [answer.abstained for answer in answers], "BOOL"))
        return made


@dataclass(frozen=True, slots=True)
class Entity:
    """A span of a text.

    Args:
        text: as the text has it.
        label: what it is.
        start, end: its characters (Unicode code points) of the text, `end` excluded.
        score: its probability.
    """

    text: str
    label: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class EntitiesAnswer(Answer):
    """The entities of a text, in order; they do not overlap."""

    widget = "entities"
    hub_tasks = ("token-classification",)

    entities: list[Entity]

    @property
    def summary(self) -> str:
        """Texts with labels and probabilities."""
        return ", ".join(f"{one.text} ({one.label} {one.score:.3f})" for one in self.entities) or "(none)"

    @property
    def marks(self) -> list[Mark]:
        """Every entity."""
        return [(one.start, one.end, one.label) for one in self.entities]

    @property
    def confidence(self) -> float | None:
        """The probability of the least certain entity; None without any."""
        return min((one.score for one in self.entities), default=None)

    def targets(self) -> list[str]:
        """Its entities, each as `text (label)`."""
        return list(dict.fromkeys(map(_named, self.entities)))

    def explained(self) -> list[str]:
        """The first of them, up to `MOST_EXPLAINED`."""
        return self.targets()[:MOST_EXPLAINED]

    def place(self, target: str) -> Mark | None:
        """Where the most probable of these entities stands, and its label."""
        same = [one for one in self.entities if _named(one) == target]
        best = max(same, key=lambda one: one.score, default=None)
        return None if best is None else (best.start, best.end, best.label)

    def support(self, target: str) -> float:
        """The largest probability of an entity with this text and label; 0 without any."""
        return max((one.score for one in self.entities if _named(one) == target), default=0.0)

    def observations(self) -> Observation:
        """How many there are, and the least probability."""
        found: Observation = {"entities": float(len(self.entities))}
        return found if self.confidence is None else {**found, "confidence": self.confidence}

    def agrees(self, other: Self) -> bool:
        """Whether both have the same entities."""
        return self.marks == other.marks

    def margin(self, other: Self) -> float:
        """The largest distance from one half of the probability of an entity that only one of the two has, doubled.

        Of two readings of a place that are equally probable each has one half. Of more it errs on the large side.
        """
        changed = {*self.marks} ^ {*other.marks}
        both = [*self.entities, *other.entities]
        return max(
            (abs(2 * one.score - 1) for one in both if (one.start, one.end, one.label) in changed),
            default=0.0,
        )

    @classmethod
    def tensors(cls, answers: Sequence[Self], labels: Sequence[str]) -> list[Tensor]:
        """`count` INT64 [answers]; `text`, `label` BYTES, `start`, `end` INT64 and `score` FP32 [answers, most of one].

        Where an answer has fewer, texts are empty, places -1 and scores 0.
        """
        counts = [len(answer.entities) for answer in answers]
        most = max(1, *counts)
        nothing = Entity("", "", -1, -1, 0.0)
        rows = [[*answer.entities, *[nothing] * (most - len(answer.entities))] for answer in answers]
        made = [Tensor.of_numbers("count", counts, "INT64")]
        made += [
            Tensor.of_text_rows(name, [[getattr(one, name) for one in row] for row in rows])
            for name in ("text", "label")
        ]
        made += [
            Tensor.of_numbers(
                name, [[getattr(one, name) for one in row] for row in rows], "INT64", varies=True
            )
            for name in ("start", "end")
        ]
        scores = [[one.score for one in row] for row in rows]
        return [*made, Tensor.of_numbers("score", scores, varies=True)]

    def to_json(self) -> dict[str, Any]:
        """`{"entities": [{text, label, start, end, score}, ...]}`."""
        return {"entities": [asdict(one) for one in self.entities]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What `to_json` wrote.

        Raises:
            TypeError: other keys.
        """
        return cls([Entity(**one) for one in cls(**value).entities])  # type: ignore[arg-type]  # mappings yet


@lru_cache(maxsize=4096)
def _outer_words(text: str) -> tuple[str, str]:
    """The first and the last word of a span."""
    spans = words(text) or [(0, len(text))]
    return text[slice(*spans[0])], text[slice(*spans[-1])]


def _named(one: Entity) -> str:
    return f"{one.text} ({one.label})"
