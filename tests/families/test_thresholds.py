"""Thresholds of several labels: which ones the validation rows give."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import f1_score

from ftcore.families.sequence_classification.reader import FittedLabels
from ftcore.families.sequence_classification.scoring import LabelScoring
from ftcore.families.sequence_classification.spec import SequenceClassificationSpec
from ftcore.families.sequence_classification.thresholds import best_threshold, best_thresholds, micro_f1
from ftcore_runtime.decoders import make_decoder


def test_the_threshold_with_the_best_f1_lies_halfway_between_two_scores() -> None:
    scores, right = np.array([0.9, 0.8, 0.4, 0.2]), np.array([True, True, False, False])
    assert best_threshold(scores, right) == pytest.approx(0.6)
    assert best_threshold(scores, np.array([True, False, True, False])) == pytest.approx(0.3)


def test_equal_scores_are_never_parted() -> None:
    scores, right = np.array([0.5, 0.5, 0.5, 0.1]), np.array([True, False, False, False])
    assert best_threshold(scores, right) == pytest.approx(0.3)


def test_nothing_right_leaves_one_half() -> None:
    assert best_threshold(np.array([0.9, 0.1]), np.array([False, False])) == 0.5


def test_no_threshold_is_better_than_the_best() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.random(60).round(2)
        right = rng.random(60) < scores * 0.6
        if not right.any():
            continue
        found = f1_score(right, scores >= best_threshold(scores, right))
        assert found == pytest.approx(max(f1_score(right, scores >= cut) for cut in [*scores, 1e-6]))


def test_a_label_with_rows_enough_gets_its_own_and_rare_ones_share() -> None:
    rng = np.random.default_rng(1)
    right = np.stack([rng.random(400) < share for share in (0.4, 0.05, 0.05)], axis=1)
    # The first label's probabilities are twice as high as they should be.
    probabilities = np.where(right, 0.35, 0.1) + 0.1 * rng.random((400, 3))
    probabilities[:, 0] *= 2
    first, *rare = best_thresholds(probabilities, right)
    assert rare[0] == rare[1] != first
    assert micro_f1(probabilities >= [first, *rare], right) == 1.0


def test_thresholds_of_their_own_never_lower_the_micro_f1() -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        right = rng.random((80, 4)) < [0.5, 0.4, 0.3, 0.05]
        probabilities = np.clip(right * 0.2 + rng.random((80, 4)), 1e-3, 0.999)
        shared = best_threshold(probabilities.ravel(), right.ravel())
        found = micro_f1(probabilities >= best_thresholds(probabilities, right), right)
        assert found >= micro_f1(probabilities >= shared, right)


def test_micro_f1_is_scikit_learns() -> None:
    rng = np.random.default_rng(3)
    said, right = rng.random((2, 50, 5)) < 0.3
    assert micro_f1(said, right) == pytest.approx(f1_score(right, said, average="micro"))
    assert micro_f1(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0.0


def multi_label(**policy: Any) -> SequenceClassificationSpec:
    return SequenceClassificationSpec.model_validate(
        {
            "task": "classification",
            "data": {"train": "rows.jsonl", "problem": "multi_label"},
            "model": {"base": "base"},
            "policy": {"temperature": "off", **policy},
        }
    )


def test_a_wanted_precision_chooses_thresholds_that_the_decoder_applies() -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(3000, 2)) * 2
    right = 1 / (1 + np.exp(-logits)) > rng.random(logits.shape)
    fitted = FittedLabels(("a", "b"), (1, 1))
    precision = {}
    for asked in (None, 0.9):
        spec = multi_label() if asked is None else multi_label(target_precision=asked)
        chosen = LabelScoring(spec, fitted).tune(
            {"logits": logits[:1500]}, features_of(right[:1500]), pa.table({})
        )
        scoring = LabelScoring(spec, chosen)
        decoder = make_decoder(scoring.decoder)
        answers: list[Any] = decoder.decode({"logits": logits[1500:]})
        held = np.array([[name in answer.labels for name in "ab"] for answer in answers])
        assert (held == (1 / (1 + np.exp(-logits[1500:])) >= chosen.thresholds)).all()
        precision[asked] = right[1500:][held].mean()
        assert scoring.unmet(decoder) == []  # type: ignore[arg-type]
    assert precision[None] < 0.75
    assert precision[0.9] == pytest.approx(0.92, abs=0.03)


def features_of(right: np.ndarray) -> Any:
    """Features, one a row, of which `tune` reads the labels alone."""
    return SimpleNamespace(column=lambda name: right.astype(np.int64), row=np.arange(len(right)))


def test_a_threshold_and_a_precision_contradict() -> None:
    content = multi_label(target_precision=0.9).model_dump(exclude_unset=True)
    with pytest.raises(ValueError, match="leave one out"):
        SequenceClassificationSpec.model_validate(content | {"evaluation": {"threshold": 0.5}})
