"""What is said of a model that answers one thing only, nothing, or by the labels' shares."""

from __future__ import annotations

import numpy as np

from ftcore.families.sequence_classification.degenerate import label_warnings, labels_warnings, value_warnings
from ftcore_runtime.answers import LabelAnswer, LabelsAnswer, ValueAnswer


def label(name: str, score: float, labels: str = "ab") -> LabelAnswer:
    rest = (1 - score) / (len(labels) - 1)
    return LabelAnswer(name, score, {other: score if other == name else rest for other in labels})


def test_a_good_model_has_none() -> None:
    assert label_warnings("aabb", [label("a", 0.9), label("a", 0.8), label("b", 0.9), label("a", 0.6)]) == []
    assert labels_warnings([["x"], ["y"]], [LabelsAnswer(["x"], {}), LabelsAnswer(["y"], {})]) == []
    assert value_warnings([1.0, 2.0, 3.0], [ValueAnswer(1.1), ValueAnswer(2.2), ValueAnswer(2.9)]) == []


def test_one_label_for_all() -> None:
    assert label_warnings("aaab", [label("a", 0.9)] * 4) == ["every row gets the same label, 'a'"]


def test_of_many_labels_the_others_have_what_is_left() -> None:
    labels = [f"{number}" for number in range(200)]
    sure = [LabelAnswer(name, 0.99, {name: 0.99, "x": 0.004}) for name in labels]
    assert label_warnings(labels, sure) == []
    unsure = [LabelAnswer("0", 0.006, {"0": 0.006, "1": 0.005}) for _ in labels[:-1]] + [
        LabelAnswer("1", 0.006, {"1": 0.006})
    ]
    (verdict,) = label_warnings(labels, unsure)
    assert "its loss is 5.2" in verdict  # -log of the 0.005 that any of the others may have


def test_a_model_that_has_not_made_up_its_mind() -> None:
    labels = "abcdefghij"
    answers = [label(name, 0.11, labels) for name in labels] * 2
    (verdict,) = label_warnings(labels * 2, answers)
    assert verdict.startswith(
        "it has hardly learnt: its loss is 2.207, that of answering by the labels' shares 2.303"
    )


def test_confident_mistakes_are_not_called_a_lack_of_learning() -> None:
    answers = [label("a", 0.99), label("b", 0.99), label("b", 0.99), label("b", 0.99)]
    assert label_warnings("aabb", answers) == []


def test_no_labels_the_same_labels_and_labels_that_never_come() -> None:
    references = [["x"], ["y", "z"], []]
    assert labels_warnings(references, [LabelsAnswer([], {})] * 3) == ["no row gets any label"]
    assert labels_warnings(references, [LabelsAnswer(["x"], {})] * 3) == ["every row gets the same labels: x"]
    mixed = [LabelsAnswer(["x"], {}), LabelsAnswer([], {}), LabelsAnswer([], {})]
    assert labels_warnings(references, mixed) == ["2 labels that the rows have are never given: y, z..."]


def test_one_number_for_all() -> None:
    numbers = list(np.linspace(0, 1, 5))
    assert value_warnings(numbers, [ValueAnswer(0.5)] * 5) == ["every row gets nearly the same number, 0.5"]
