"""The probe as a layer: it answers as scikit-learn's regression does, whatever the labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from ftcore.families.sequence_classification import probe
from ftcore.families.sequence_classification.probe import fit_probe


def data(rows: int = 90, size: int = 6) -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(0)
    return (3.0 + rng.normal(size=(rows, size))).astype(np.float32), rng


def scaled(inputs: np.ndarray) -> np.ndarray:
    return inputs / np.linalg.norm(inputs, axis=1).mean()


def test_of_many_labels_the_nearest_mean_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_MOST_NUMBERS", 100)
    rng = np.random.default_rng(0)
    means = rng.normal(size=(30, 6))
    targets = np.repeat(np.arange(29), 4)  # the last label has no row
    inputs = (means[targets] + 0.01 * rng.normal(size=(len(targets), 6))).astype(np.float32)
    weight, bias = fit_probe("single_label", inputs, targets, np.ones(len(inputs)), 30)
    assert ((inputs @ weight.T + bias).argmax(1) == targets).all()
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()


def test_one_row_of_each_label_is_no_mistake() -> None:
    inputs, _ = data(20)
    weight, bias = fit_probe("single_label", inputs, np.arange(20), np.ones(20), 20)
    assert (weight.shape, bias.shape) == ((20, 6), (20,))


@pytest.mark.parametrize("labels", [2, 4])
def test_one_label_has_the_probabilities_of_logistic_regression(labels: int) -> None:
    inputs, rng = data()
    targets = rng.integers(0, labels, len(inputs))
    weight, bias = fit_probe("single_label", inputs, targets, np.ones(len(inputs)), labels)
    logits = inputs @ weight.T + bias
    found = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = LogisticRegression(C=10.0, max_iter=300).fit(scaled(inputs), targets)
    assert found == pytest.approx(expected.predict_proba(scaled(inputs)), abs=1e-5)


def test_a_label_without_rows_is_the_least_likely_and_zero_weights_count_nothing() -> None:
    inputs, rng = data()
    targets = rng.integers(0, 2, len(inputs)) * 2  # never 1
    weights = np.ones(len(inputs), np.float32)
    weights[:30] = 0.0
    weight, bias = fit_probe("single_label", inputs, targets, weights, 3)
    assert (inputs @ weight.T + bias).argmin(1).tolist() == [1] * len(inputs)
    same = fit_probe("single_label", inputs[30:], targets[30:], weights[30:], 3)[0]
    assert weight == pytest.approx(same, rel=1e-3, abs=1e-4)


def test_several_labels_are_one_against_the_rest_and_a_label_that_no_row_has_gets_its_share() -> None:
    inputs, rng = data()
    targets = (rng.random((len(inputs), 3)) < [0.5, 0.1, 0.0]).astype(np.float32)
    weight, bias = fit_probe("multi_label", inputs, targets, np.ones(len(inputs)), 3)
    expected = LogisticRegression(C=10.0, max_iter=300).fit(scaled(inputs), targets[:, 0])
    logits = inputs @ weight.T + bias
    assert logits[:, 0] == pytest.approx(expected.decision_function(scaled(inputs)), abs=1e-4)
    assert np.all(weight[2] == 0)
    assert bias[2] == pytest.approx(np.log(0.5 / 90.5))


def test_a_number_is_ridge_regression() -> None:
    inputs, rng = data()
    targets = (inputs[:, 0] * 2 + rng.normal(size=len(inputs))).astype(np.float32)
    weight, bias = fit_probe("regression", inputs, targets, np.ones(len(inputs)), 1)
    expected = Ridge(alpha=1.0).fit(scaled(inputs), targets).predict(scaled(inputs))
    assert (inputs @ weight.T + bias)[:, 0] == pytest.approx(expected, rel=1e-4)
