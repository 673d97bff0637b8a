"""What an explanation says: the parts of the input, how much each speaks for an answer, and how faithful that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ftcore_runtime.answers import Answer


@dataclass(frozen=True, slots=True)
class Part:
    """A word of the input, or some that stand together.

    Args:
        field: which of the input's texts it is in.
        start, end: its characters (Unicode code points) there, the end excluded.
        text: what stands there.
    """

    field: str
    start: int
    end: int
    text: str

    def to_json(self) -> dict[str, Any]:
        """As a mapping."""
        return {"field": self.field, "start": self.start, "end": self.end, "text": self.text}


@dataclass(frozen=True, slots=True)
class Reason:
    """How much each part speaks for one thing that could be answered.

    Args:
        target: a label, the text of a span, or what else the answer names.
        score: how strongly the answer says it: a probability, or a number in its own unit.
        weights: of each part: what the score owes to it; below 0 where it speaks against the target.
        edge: which end of the target the score is of, `start` or `end`; empty where it is of the whole.
        delta: of integrated gradients, by how much the weights miss the difference that they are to sum up to, as a
            share of it; None of other methods.
    """

    target: str
    score: float
    weights: Sequence[float]
    delta: float | None = None
    edge: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a mapping."""
        made: dict[str, Any] = {"target": self.target, "score": self.score, "weights": list(self.weights)}
        if self.edge:
            made["edge"] = self.edge
        return made if self.delta is None else {**made, "delta": self.delta}

    @property
    def title(self) -> str:
        """What the weights speak for, in words."""
        target = self.target or "no answer"
        return f"the {self.edge} of {target}" if self.edge else target

    @property
    def largest(self) -> float:
        """The largest weight, for or against; above 0."""
        return max(*map(abs, self.weights), 1e-9) if self.weights else 1e-9

    def ranked(self) -> list[int]:
        """Indices of the parts, what speaks most for the target first."""
        return sorted(range(len(self.weights)), key=lambda index: -self.weights[index])


#: Of the parts that an explanation finds best, those whose worth is tried.
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """What becomes of the first reason's score without its best parts, and with these alone (DeYoung et al. 2020,
    "ERASER"): for the best 1, 5, 10, 20 and 50 % of the parts, `SHARES`.

    Args:
        without: by how much the score falls without them, for each share: the deletion curve.
        alone: by how much it falls with them alone: the insertion curve.
        random_without, random_alone: the same of parts in random orders, on average.
        simple: the comprehensiveness of gradient x input; None of methods that take no gradients.
    """

    without: tuple[float, ...]
    alone: tuple[float, ...]
    random_without: tuple[float, ...]
    random_alone: tuple[float, ...]
    simple: float | None = None

    @property
    def comprehensiveness(self) -> float:
        """The mean fall without the best parts: large where they are what the score rests on."""
        return fmean(self.without)

    @property
    def sufficiency(self) -> float:
        """The mean fall with the best parts alone: small where they are enough."""
        return fmean(self.alone)

    @property
    def random_comprehensiveness(self) -> float:
        """That of random orders."""
        return fmean(self.random_without)

    @property
    def random_sufficiency(self) -> float:
        """That of random orders."""
        return fmean(self.random_alone)

    @property
    def faithful(self) -> bool:
        """Whether taking out the best parts costs more than taking out random ones."""
        return self.comprehensiveness > self.random_comprehensiveness

    @property
    def sentence(self) -> str:
        """The figures in words."""
        simple = "" if self.simple is None else f", without those of gradient x input by {self.simple:.3f}"
        return (
            f"without its best words the score falls by {self.comprehensiveness:.3f} (without random ones by"
            f" {self.random_comprehensiveness:.3f}{simple}), with them alone by {self.sufficiency:.3f}"
            f" ({self.random_sufficiency:.3f})"
        )

    def to_json(self) -> dict[str, Any]:
        """As a mapping."""
        made: dict[str, Any] = {
            "faithful": self.faithful,
            "comprehensiveness": self.comprehensiveness,
            "sufficiency": self.sufficiency,
            "random_comprehensiveness": self.random_comprehensiveness,
            "random_sufficiency": self.random_sufficiency,
            "curves": {
                "shares": list(SHARES),
                "without": list(self.without),
                "alone": list(self.alone),
                "random_without": list(self.random_without),
                "random_alone": list(self.random_alone),
            },
        }
        return made if self.simple is None else {**made, "gradient_x_input_comprehensiveness": self.simple}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an input got its answer.

    Args:
        method: how the weights were found.
        texts: field -> text of the input.
        answer: to the input as it is.
        parts: of all fields, in order.
        reasons: of each target; the first is the answer's own unless others were asked for.
        faithfulness: of the first reason; None where it was not measured.
        note: what else has to be said of it.
    """

    method: str
    texts: dict[str, str]
    answer: Answer
    parts: Sequence[Part]
    reasons: Sequence[Reason]
    faithfulness: Faithfulness | None = None
    note: str = ""

    @property
    def conclusion(self) -> str:
        """Whether the first reason holds when its best parts are taken out, or what else has to be said."""
        if self.faithfulness is None:
            return self.note or "whether this holds was not measured"
        holds = "faithful" if self.faithfulness.faithful else "not faithful on this row"
        return f"{holds}: {self.faithfulness.sentence}"

    def heaviest(self, reason: Reason, count: int) -> list[tuple[str, float]]:
        """The parts that count most, for or against, with their weights."""
        pairs = zip((part.text for part in self.parts), reason.weights, strict=True)
        return sorted(pairs, key=lambda pair: -abs(pair[1]))[:count]

    def pieces(self, reason: Reason) -> Iterator[tuple[str, list[tuple[str, float | None]]]]:
        """Each field with its whole text in pieces: the parts with their weights, what is between them with None."""
        for field, text in self.texts.items():
            made: list[tuple[str, float | None]] = []
            at = 0
            for part, weight in zip(self.parts, reason.weights, strict=True):
                if part.field == field:
                    made += [(text[at : part.start], None), (part.text, weight)]
                    at = part.end
            yield field, [(piece, weight) for piece, weight in [*made, (text[at:], None)] if piece]

    def to_json(self) -> dict[str, Any]:
        """As a mapping."""
        made: dict[str, Any] = {
            "method": self.method,
            "answer": self.answer.to_json(),
            "parts": [part.to_json() for part in self.parts],
            "targets": [reason.to_json() for reason in self.reasons],
        }
        if self.note:
            made["note"] = self.note
        return made if self.faithfulness is None else {**made, "faithfulness": self.faithfulness.to_json()}

    def _repr_html_(self) -> str:
        """For a notebook."""
        from ftcore_runtime.explanations.html import explanation_html

        return explanation_html(self)
