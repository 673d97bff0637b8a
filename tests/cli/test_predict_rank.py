"""Ranks of the rows of a query, and how good they are, against scikit-learn."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from ftcore.cli.predict_rank import measures, rank
from ftcore.errors import UserError


def line(row: int, query: str, value: float, gold: Any) -> dict[str, Any]:
    return {"row": row, "input": {"q": query, "gold": gold}, "value": value}


def test_each_query_is_ranked_by_itself_and_bad_rows_are_not() -> None:
    lines = [line(1, "a", 0.5, 0), line(2, "b", 0.1, 0), line(3, "a", 0.9, 0), line(4, "a", 0.5, 0)]
    lines.append({"row": 5, "input": {"q": "a"}, "error": "the text is empty"})
    groups = rank(lines, "q")
    assert [one.get("rank") for one in lines] == [2, 1, 1, 3, None]
    assert [[one["row"] for one in group] for group in groups] == [[3, 1, 4], [2]]


def test_as_scikit_learn_has_it() -> None:
    draw = random.Random(0)
    lines, expected, reciprocal = [], [], []
    for query in range(20):
        values, gold = [draw.random() for _ in range(15)], [draw.choice([0, 0, 0, 1, 3]) for _ in range(15)]
        lines += [
            line(n, str(query), value, str(one))
            for n, (value, one) in enumerate(zip(values, gold, strict=True))
        ]
        if any(gold):
            expected.append(ndcg_score([gold], [values], k=10))
            ranked = np.array(gold)[np.argsort(values)[::-1]]
            reciprocal.append(1 / (1 + np.flatnonzero(ranked)[0]))
    found = measures(rank(lines, "q"), "gold", "rows.csv")
    assert found["nDCG@10"] == pytest.approx(np.mean(expected))
    assert found["MRR"] == pytest.approx(np.mean(reciprocal))


@pytest.mark.parametrize("gold", [None, "", "x", -1, "nan", True])
def test_what_is_no_relevance_is_named(gold: Any) -> None:
    with pytest.raises(UserError, match="expected a number of at least 0 in the column 'gold'") as raised:
        measures([[line(7, "a", 0.5, gold)]], "gold", "rows.csv")
    assert raised.value.where == "rows.csv:7"


def test_nothing_relevant_is_nothing_to_measure() -> None:
    with pytest.raises(UserError, match="no row is relevant by the column 'gold'"):
        measures([[line(7, "a", 0.5, 0)]], "gold", "rows.csv")
