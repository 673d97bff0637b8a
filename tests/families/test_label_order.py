"""A teacher's labels against those of the data: any order, the same names, the same problem."""

from __future__ import annotations

from typing import Any

import pytest
import transformers

from ftcore.errors import ModelError
from ftcore.families.sequence_classification.label_order import PROBLEM_TYPES, require_same_labels


def config(labels: list[str], problem: str | None = None) -> Any:
    kind = PROBLEM_TYPES[problem] if problem else None
    return transformers.BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label=dict(enumerate(labels)),
        problem_type=kind,
    )


@pytest.mark.parametrize(
    ("teacher", "problem", "labels", "message"),
    [
        (config(["a", "b", "d"]), "single_label", ["a", "b", "c"], "it lacks 'c'; it has as well 'd'"),
        (config(["a", "b", "c"]), "single_label", ["a", "b"], "it has as well 'c'"),
        (
            config(["a", "b"], "multi_label"),
            "single_label",
            ["a", "b"],
            "multi_label_classification, not single",
        ),
        (config(["a", "b"]), "regression", [], "2 outputs; a regression has one"),
    ],
    ids=["other", "more", "problem", "outputs"],
)
def test_what_does_not_fit_is_said(teacher: Any, problem: str, labels: list[str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        require_same_labels(teacher, problem, labels)


def test_labels_in_any_order_fit() -> None:
    require_same_labels(config(["b", "c", "a"]), "single_label", ["a", "b", "c"])
    require_same_labels(config(["x"]), "regression", [])
