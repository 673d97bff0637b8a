"""Label names as words, and what a probe learns from them."""

from __future__ import annotations

import numpy as np
import pytest

from ftcore.families.sequence_classification.label_names import in_words, is_a_word
from ftcore.families.sequence_classification.model import LabelModel
from ftcore.families.sequence_classification.reader import FittedLabels
from ftcore.families.sequence_classification.spec import SequenceClassificationSpec


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("card_arrival", "card arrival"),
        ("PlayMusic", "Play Music"),
        ("HTTPError-rate", "HTTP Error rate"),
        ("positive", "positive"),
        ("\u6b63\u9762", "\u6b63\u9762"),
        ("_", "_"),
    ],
)
def test_names_are_read_as_words(name: str, words: str) -> None:
    assert in_words(name) == words


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("card arrival", True),
        ("pos", True),
        ("\u6b63\u9762", True),
        ("\u597d", True),
        ("3", False),
        ("B2", False),
        ("LABEL 0", False),
        ("class12", False),
    ],
)
def test_a_name_that_says_nothing_is_known(text: str, meant: bool) -> None:
    assert is_a_word(text) == meant


class Rows:
    """Targets and weights as `Stored` gives them."""

    def __init__(self, targets: np.ndarray) -> None:
        self._columns = {"labels": targets, "weight": np.ones(len(targets), np.float32)}

    def column(self, name: str) -> np.ndarray:
        return self._columns[name]


@pytest.mark.parametrize("several", [False, True])
def test_a_label_without_rows_is_known_by_its_name(several: bool) -> None:
    problem = "multi_label" if several else "single_label"
    data = {"train": "x.csv", "problem": problem}
    spec = SequenceClassificationSpec.model_validate({"data": data, "model": {"base": "b"}, "task": "t"})
    rng = np.random.default_rng(0)
    of_row = np.repeat([0, 1], 2)
    inputs = (3 * np.eye(3, 16)[of_row] + rng.normal(0, 0.1, (4, 16))).astype(np.float32)
    named = np.eye(3, 16, dtype=np.float32)
    targets = np.eye(3, dtype=np.float32)[of_row] if several else of_row
    model = LabelModel(spec, FittedLabels(("a", "b", "c"), (2, 2, 0)))
    weight, bias = model.probe(inputs, Rows(targets), named)  # type: ignore[arg-type]
    assert (named @ weight.T + bias).argmax(1).tolist() == [0, 1, 2]
    without, flat = model.probe(inputs, Rows(targets))  # type: ignore[arg-type]
    assert (named[2] @ without.T + flat).argmax() != 2
