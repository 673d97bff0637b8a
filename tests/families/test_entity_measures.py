"""Strict and partial figures of entities, against nervaluate on random texts."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from nervaluate import Evaluator

from ftcore.families.token_classification.metrics import EntityMeasures
from ftcore_runtime.spans import EntitiesAnswer, Entity

LABELS = ["a", "b", "c"]


def drawn(draw: random.Random, words: int) -> list[tuple[int, int, str]]:
    """Spans that do not overlap."""
    found, at = [], 0
    while (start := at + draw.randint(0, 3)) < words:
        end = min(words, start + draw.randint(1, 3))
        found.append((start, end, draw.choice(LABELS)))
        at = end
    return found


def answer_of(spans: list[tuple[int, int, str]]) -> EntitiesAnswer:
    return EntitiesAnswer([Entity("x", label, start, end, 0.5) for start, end, label in spans])


def reference_of(spans: list[tuple[int, int, str]]) -> list[dict[str, Any]]:
    return [{"start": start, "end": end, "label": label} for start, end, label in spans]


@pytest.fixture(scope="module")
def texts() -> list[tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]]:
    """Right and answered spans of each text, many of them the same."""
    draw = random.Random(1)
    made = []
    for _ in range(300):
        right = drawn(draw, 20)
        answered = [span for span in right if draw.random() < 0.5] if draw.random() < 0.6 else drawn(draw, 20)
        made.append((right, answered))
    return made


def test_as_nervaluate_counts(texts: Any) -> None:
    def listed(spans: list[tuple[int, int, str]]) -> list[dict[str, Any]]:
        return [{"label": label, "start": start, "end": end - 1} for start, end, label in spans]

    evaluator = Evaluator(
        [listed(right) for right, _ in texts],
        [listed(answered) for _, answered in texts],
        tags=LABELS,
        loader="dict",
    )
    result = evaluator.evaluate()
    measures = EntityMeasures(
        [reference_of(right) for right, _ in texts], [answer_of(answered) for _, answered in texts], LABELS
    )
    values = measures.values(np.arange(len(texts)))
    for schema, kind in (("strict", ""), ("partial", "_partial")):
        overall = result["overall"][schema]
        assert 0.2 < overall.f1 < 0.9
        for name in ("precision", "recall", "f1"):
            assert values[name + kind] == pytest.approx(getattr(overall, name)), (schema, name)
    for one in measures.details()["classes"]:
        strict = result["entities"][one["label"]]["strict"]
        assert (one["precision"], one["recall"], one["f1"]) == pytest.approx(
            (strict.precision, strict.recall, strict.f1)
        )


def test_a_resample_is_measured_as_if_it_were_all_there_is(texts: Any) -> None:
    references = [reference_of(right) for right, _ in texts]
    answers = [answer_of(answered) for _, answered in texts]
    rows = np.random.default_rng(0).integers(0, len(texts), len(texts))
    again = EntityMeasures([references[row] for row in rows], [answers[row] for row in rows], LABELS)
    assert EntityMeasures(references, answers, LABELS).values(rows) == pytest.approx(
        again.values(np.arange(len(rows)))
    )


def test_by_hand() -> None:
    references = [reference_of([(0, 2, "a"), (3, 4, "b")]), reference_of([(0, 1, "a")]), []]
    answers = [answer_of([(0, 2, "a"), (3, 5, "b")]), answer_of([(0, 1, "b")]), answer_of([])]
    measures = EntityMeasures(references, answers, LABELS)
    values = measures.values(np.arange(3))
    assert values["precision"] == values["recall"] == pytest.approx(1 / 3)
    assert values["f1_partial"] == pytest.approx(2.5 / 3), "one exact, one half, one exact of another label"
    assert values["exact_match"] == pytest.approx(1 / 3)
    assert values["f1_macro"] == pytest.approx((2 / 3 + 0) / 2), "a label that nothing has counts nothing"
    assert measures.exact.tolist() == [False, False, True]
    nothing = measures.values(np.array([2]))
    assert set(nothing.values()) == {0.0, 1.0}
