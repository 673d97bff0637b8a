"""An answer of an outside author: what the base class makes of its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ftcore_runtime.api import (
    Answer,
    LabelAnswer,
    LabelsAnswer,
    SpanAnswer,
    Tensor,
    TextAnswer,
    ValueAnswer,
)


@dataclass(frozen=True)
class Rating(Answer):
    label: str
    scores: dict[str, float]
    stars: float
    words: int
    sure: bool
    note: str | None = None
    more: list[dict[str, Any]] | None = None

    @property
    def summary(self) -> str:
        return f"{self.label} {self.stars:.1f}"

    @property
    def category(self) -> str:
        return self.label

    def agrees(self, other: Rating) -> bool:
        return self.label == other.label

    def margin(self, other: Rating) -> float:
        return self.scores[self.label] - self.scores[other.label]


RATINGS = [
    Rating("a", {"a": 0.75, "b": 0.25}, 4.5, 3, True),
    Rating("b", {"a": 0.125, "b": 0.875}, 1.5, 7, False, more=[{"x": 1}]),
]


def plain(tensors: list[Tensor]) -> dict[str, Any]:
    return {
        tensor.name: (tensor.datatype, tensor.shape, np.asarray(tensor.values).tolist()) for tensor in tensors
    }


def test_fields_become_tensors_by_their_type() -> None:
    found = plain(Rating.tensors(RATINGS, ("b", "a")))
    assert found == {
        "label": ("BYTES", (2,), ["a", "b"]),
        "stars": ("FP32", (2,), [4.5, 1.5]),
        "words": ("INT64", (2,), [3, 7]),
        "sure": ("BOOL", (2,), [True, False]),
        "scores": ("FP32", (2, 2), [[0.25, 0.75], [0.875, 0.125]]),
    }
    assert list(found)[-1] == "scores"
    assert "scores" not in plain(Rating.tensors(RATINGS, ())), "it is not known by which labels"


def test_json_has_the_fields_that_apply_and_is_undone() -> None:
    assert [*RATINGS[0].to_json()] == ["label", "scores", "stars", "words", "sure"]
    assert [Rating.from_json(rating.to_json()) for rating in RATINGS] == RATINGS
    with pytest.raises(TypeError):
        Rating.from_json({**RATINGS[0].to_json(), "other": 1})


def test_what_is_counted_is_name_and_confidence_unless_it_says_more() -> None:
    assert RATINGS[0].observations() == {"label": "a"}
    assert RATINGS[0].confidence is None
    assert LabelAnswer("a", 0.75, {"a": 0.75}).observations() == {"label": "a", "confidence": 0.75}
    assert ValueAnswer(2.0).observations() == {"value": 2.0}
    assert TextAnswer("x", -1.0).observations() == {}


@pytest.mark.parametrize(
    ("answer", "summary"),
    [
        (LabelAnswer("a", 0.75, {"a": 0.75}), "a 0.750"),
        (LabelsAnswer(["b", "a"], {"a": 0.6, "b": 0.9}), "b 0.900, a 0.600"),
        (LabelsAnswer([], {"a": 0.1}), "(none)"),
        (ValueAnswer(12.34567), "12.35"),
        (SpanAnswer("x", 0, 1, 0.5), "x 0.500"),
        (SpanAnswer("", score=0.25), "(no answer) 0.250"),
        (TextAnswer("a text", -3.0), "a text"),
    ],
)
def test_what_a_terminal_shows(answer: Answer, summary: str) -> None:
    assert answer.summary == summary


def test_a_span_is_nowhere_where_there_is_none() -> None:
    found = plain(
        SpanAnswer.tensors([SpanAnswer("", score=0.5, no_answer=0.5), SpanAnswer("x", 2, 3, 1.0, 0.0)], ())
    )
    assert found["start"] == ("INT64", (2,), [-1, 2])
    assert found["no_answer"] == ("FP32", (2,), [0.5, 0.0])
