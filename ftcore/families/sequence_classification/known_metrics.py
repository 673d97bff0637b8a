"""The metrics of labels and numbers, by what a row's label is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ftcore.spec.metrics import MetricInfo

Problem = Literal["single_label", "multi_label", "regression"]

_AVERAGES = {
    "macro": "the mean over the labels",
    "micro": "of all labels together",
    "weighted": "the mean over the labels, each as often as it occurs",
}
_AVERAGED = {
    f"{name.lower()}_{average}": MetricInfo(f"{name}, {text}")
    for name in ("Precision", "Recall", "F1")
    for average, text in _AVERAGES.items()
}
_OF_PROBABILITIES = {
    "log_loss": MetricInfo(
        "Mean negative logarithm of the right label's probability, a proper score", lower=True
    ),
    "brier": MetricInfo("Squared distance of the probabilities from the truth, a proper score", lower=True),
    "ece": MetricInfo(
        "Expected calibration error: mean distance of probability and share of right answers, over 15 bins of equal"
        " mass",
        lower=True,
    ),
    "auc": MetricInfo("Area under the ROC curve of each label's probability, the mean over the labels"),
    "average_precision": MetricInfo(
        "Precision at each right row by a label's probability, the mean over the labels"
    ),
}
#: Every metric of a problem; those of ordered labels come on top.
OF_PROBLEM: Mapping[Problem, Mapping[str, MetricInfo]] = {
    "single_label": {
        "accuracy": MetricInfo("Share of rows that get their label"),
        "mcc": MetricInfo("Matthews' correlation coefficient: 0 is chance, 1 is no mistake"),
        **_AVERAGED,
        **_OF_PROBABILITIES,
    },
    "multi_label": {
        "accuracy": MetricInfo("Share of rows whose whole set of labels is right"),
        "hamming_loss": MetricInfo("Share of pairs of a row and a label that are wrong", lower=True),
        "mcc": MetricInfo("Matthews' correlation coefficient of each label, the mean over the labels"),
        **_AVERAGED,
        **_OF_PROBABILITIES,
    },
    "regression": {
        "mse": MetricInfo("Mean squared error", lower=True, point=1.0),
        "mae": MetricInfo("Mean absolute error", lower=True, point=1.0),
        "r2": MetricInfo("Share of the variance that the answers explain; 0 is answering the mean"),
        "pearson": MetricInfo("Correlation of answers and numbers"),
        "spearman": MetricInfo("Correlation of their ranks"),
    },
}
OF_ORDERED: Mapping[str, MetricInfo] = {
    "kappa_quadratic": MetricInfo(
        "Cohen's kappa, where an error weighs by its squared distance on the scale"
    ),
    "mae": MetricInfo("Mean distance on the scale, in steps", lower=True, point=1.0),
}
