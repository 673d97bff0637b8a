"""A regression on frozen representations (a linear probe, Alain and Bengio 2016), as the weights of a linear layer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

Layer = tuple[np.ndarray, np.ndarray]

#: Inverse strength of the L2 penalty on weights, for inputs whose mean length is 1; scikit-learn's `C`.
STRENGTH = 10.0
#: Rows beyond which evenly spaced ones are taken: more change the regression by less than its error.
MOST_ROWS = 20_000
#: Rows times labels from which a regression would need gigabytes.
_MOST_NUMBERS = 20_000_000


def fit_probe(
    problem: str, inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray, labels: int
) -> Layer:
    """Weights, float64 [outputs, size], and bias, float64 [outputs], of the layer that answers `problem` best.

    Logistic regression of one label, one against the rest for several, and ridge regression of a number.

    Args:
        problem: `single_label`, `multi_label` or `regression`.
        inputs: float32 [rows, size].
        targets: int64 [rows], or float32 [rows, labels] of 0 and 1, or float32 [rows].
        weights: of the rows, float32 [rows].
        labels: how many outputs there are.
    """
    if len(inputs) > MOST_ROWS:
        taken = np.linspace(0, len(inputs) - 1, MOST_ROWS).round().astype(int)
        inputs, targets, weights = inputs[taken], targets[taken], weights[taken]
    counted = weights > 0
    inputs, targets, weights = inputs[counted], targets[counted], weights[counted]
    scale = float(np.linalg.norm(inputs, axis=1).mean()) or 1.0
    scaled = inputs / scale
    if problem == "regression":
        weight, bias = _ridge(scaled, targets, weights)
    elif problem == "single_label":
        weight, bias = _softmax(scaled, targets, weights, labels)
    else:
        columns = [_yes_or_no(scaled, targets[:, label], weights) for label in range(labels)]
        weight, bias = (np.stack(part) for part in zip(*columns, strict=True))
    return weight / scale, bias


def _ridge(inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Layer:
    from sklearn.linear_model import Ridge

    fitted = Ridge(alpha=1.0).fit(inputs, targets, sample_weight=weights)
    return fitted.coef_[None, :], np.array([fitted.intercept_])


def _softmax(inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray, labels: int) -> Layer:
    """A label without rows gets no weights, and a bias as if it had half a row."""
    if len(inputs) * labels > _MOST_NUMBERS:
        return _nearest_mean(inputs, targets, weights, labels)
    there = np.unique(targets)
    bias = np.full(labels, np.log(0.5 / len(targets)))
    weight = np.zeros((labels, inputs.shape[1]))
    if len(there) < 2:
        return weight, bias
    fitted = _logistic(inputs, targets, weights)
    if len(there) == 2:  # scikit-learn has one output then, for the second
        weight[there[1]], bias[there[0]], bias[there[1]] = fitted.coef_[0], 0.0, fitted.intercept_[0]
        half = weight[there[1]] / 2
        weight[there[0]], weight[there[1]] = -half, half
    else:
        weight[there], bias[there] = fitted.coef_, fitted.intercept_
    return weight, bias


def _nearest_mean(inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray, labels: int) -> Layer:
    """Linear discriminants of equal spread in every direction: the label whose rows' weighted mean is nearest.

    A label without rows gets no weights, and a bias below that of any other. Memory grows with labels times size alone.
    """
    total = np.bincount(targets, weights, labels)
    mean = np.zeros((labels, inputs.shape[1]))
    np.add.at(mean, targets, inputs * weights[:, None])
    there = total > 0
    mean[there] /= total[there, None]
    spread = float(np.average(((inputs - mean[targets]) ** 2).mean(1), weights=weights)) or 1.0
    bias = -(mean**2).sum(1) / (2 * spread)
    bias[~there] = bias[there].min() - 1 / spread
    return mean / spread, bias


def _yes_or_no(inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Layer:
    """Of a label that no row has, or every row: no weights, and its share (of half a row more) as bias."""
    held = float((targets * weights).sum())
    rest = float(weights.sum()) - held
    if not held or not rest:
        return np.zeros(inputs.shape[1]), np.asarray(np.log((held + 0.5) / (rest + 0.5)))
    fitted = _logistic(inputs, targets.astype(np.int64), weights)
    return fitted.coef_[0], fitted.intercept_[0]


def _logistic(inputs: np.ndarray, targets: Sequence[int] | np.ndarray, weights: np.ndarray) -> Any:  # noqa: ANN401
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a start needs no last digit
        warnings.filterwarnings(
            "ignore", "The number of unique classes"
        )  # few rows of many labels are no mistake
        return LogisticRegression(C=STRENGTH, max_iter=300).fit(inputs, targets, sample_weight=weights)
