"""Metrics compared with scikit-learn's, on whole splits and on resamples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from ftcore.families.calibration import calibration_error
from ftcore.families.sequence_classification import measures as shared
from ftcore.families.sequence_classification.measures import Measures
from ftcore.families.sequence_classification.metrics import (
    MultiLabelMeasures,
    RegressionMeasures,
    SingleLabelMeasures,
)
from ftcore.families.sequence_classification.probabilities import ProbabilityMeasures

LABELS = ["a", "b", "c", "d"]


def drawn(rows: int, seed: int = 0) -> tuple[list[str], list[str], np.ndarray]:
    """References, answers that agree with most of them, and a resample. Nobody answers or is `d`."""
    rng = np.random.default_rng(seed)
    true = rng.choice(LABELS[:3], rows, p=[0.6, 0.3, 0.1])
    said = np.where(rng.random(rows) < 0.7, true, rng.choice(LABELS[:3], rows))
    return list(true), list(said), rng.integers(0, rows, rows)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("resampled", [False, True])
def test_single_label_metrics_are_those_of_scikit_learn(resampled: bool) -> None:
    true, said, rows = drawn(300)
    rows = rows if resampled else np.arange(300)
    found = SingleLabelMeasures(true, said, LABELS, ordered=True).values(rows)
    true, said = [true[i] for i in rows], [said[i] for i in rows]
    expected = {"accuracy": sk.accuracy_score(true, said), "mcc": sk.matthews_corrcoef(true, said)}
    for average in ("macro", "micro", "weighted"):
        values = sk.precision_recall_fscore_support(true, said, average=average, zero_division=0)
        expected |= {
            f"{name}_{average}": v for name, v in zip(("precision", "recall", "f1"), values[:3], strict=True)
        }
    rank = [[LABELS.index(x) for x in side] for side in (true, said)]
    expected["kappa_quadratic"] = sk.cohen_kappa_score(*rank, weights="quadratic", labels=[0, 1, 2, 3])
    expected["mae"] = sk.mean_absolute_error(*rank)
    assert found == pytest.approx(expected)


def test_the_confusion_matrix_and_the_class_table_are_those_of_scikit_learn() -> None:
    true, said, _ = drawn(200)
    details = SingleLabelMeasures(true, said, LABELS, ordered=False).details()
    assert details["confusion"] == sk.confusion_matrix(true, said, labels=LABELS).tolist()
    rare = details["classes"][3]
    assert rare == {"label": "d", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


@pytest.mark.parametrize("resampled", [False, True])
def test_multi_label_metrics_are_those_of_scikit_learn(resampled: bool) -> None:
    rng = np.random.default_rng(1)
    true = rng.random((200, 4)) < 0.3
    said = true ^ (rng.random((200, 4)) < 0.15)
    rows = rng.integers(0, 200, 200) if resampled else np.arange(200)
    names = [[[LABELS[i] for i in np.flatnonzero(row)] for row in side] for side in (true, said)]
    found = MultiLabelMeasures(*names, LABELS).values(rows)
    true, said = true[rows], said[rows]
    expected = {
        "accuracy": sk.accuracy_score(true, said),
        "hamming_loss": sk.hamming_loss(true, said),
        "mcc": np.mean([sk.matthews_corrcoef(true[:, i], said[:, i]) for i in range(4)]),
    }
    for average in ("macro", "micro", "weighted"):
        values = sk.precision_recall_fscore_support(true, said, average=average, zero_division=0)
        expected |= {
            f"{name}_{average}": v for name, v in zip(("precision", "recall", "f1"), values[:3], strict=True)
        }
    assert found == pytest.approx(expected)


def test_regression_metrics_are_those_of_scikit_learn_and_scipy() -> None:
    from scipy import stats

    rng = np.random.default_rng(2)
    true = np.round(rng.normal(size=100), 1)  # rounded: ranks with ties
    said = true + rng.normal(scale=0.5, size=100)
    assert RegressionMeasures(true, said).values(np.arange(100)) == pytest.approx(
        {
            "mse": sk.mean_squared_error(true, said),
            "mae": sk.mean_absolute_error(true, said),
            "r2": sk.r2_score(true, said),
            "pearson": stats.pearsonr(true, said).statistic,
            "spearman": stats.spearmanr(true, said).statistic,
        }
    )


def _probabilities(several: bool) -> ProbabilityMeasures:
    rng = np.random.default_rng(3)
    # Two digits: rows of equal confidence, some right and some wrong.
    probabilities = np.round(rng.dirichlet(np.ones(4), 120), 2)
    right = rng.random((120, 4)) < 0.3 if several else np.eye(4, dtype=bool)[rng.integers(0, 4, 120)]
    return ProbabilityMeasures(probabilities, right, several=several)


def _measures() -> dict[str, Measures]:
    true, said, _ = drawn(120)
    rng = np.random.default_rng(4)
    several = [[[LABELS[i] for i in np.flatnonzero(row)] for row in rng.random((120, 4)) < 0.4] for _ in "ab"]
    numbers = np.round(rng.normal(size=(2, 120)), 1)
    return {
        "one label": SingleLabelMeasures(true, said, LABELS, ordered=True),
        "several labels": MultiLabelMeasures(*several, LABELS),
        "a number": RegressionMeasures(*numbers),
        "probabilities of one label": _probabilities(False),
        "probabilities of several": _probabilities(True),
    }


@pytest.mark.parametrize("kind", _measures())
def test_many_resamples_at_once_are_each_measured_as_if_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures, rng = _measures()[kind], np.random.default_rng(5)
    monkeypatch.setattr(shared, "_AT_ONCE", 1_000)  # parts of eight resamples or fewer, the last with less
    samples = rng.integers(0, 120, (21, 120))
    found = measures.resamples(samples)
    for index, rows in enumerate(samples):
        alone = measures.values(rows)
        assert alone == pytest.approx({name: values[index] for name, values in found.items()}, abs=1e-12)


def test_the_calibration_error_of_a_resample_is_that_of_its_rows() -> None:
    rng, right = np.random.default_rng(6), np.arange(200) % 3 > 0
    confidence = 0.5 + rng.random(200) / 2
    both = np.stack((confidence, 1 - confidence), axis=1)  # the first label is the answer
    measures = ProbabilityMeasures(both, np.stack((right, ~right), axis=1), several=False)
    rows = rng.integers(0, 200, 200)
    expected = calibration_error(both[rows, 0], right[rows])
    assert measures.values(rows)["ece"] == pytest.approx(expected)


def test_constant_answers_have_no_correlation_and_no_warning() -> None:
    found = RegressionMeasures([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]).values(np.arange(3))
    assert found["pearson"] == found["spearman"] == 0


def test_ten_thousand_labels_take_no_matrix() -> None:
    import tracemalloc

    labels = [f"label {number}" for number in range(10_000)]
    rng = np.random.default_rng(0)
    true, said = rng.integers(0, 10_000, (2, 20_000))
    said = np.where(rng.random(20_000) < 0.5, true, said)
    tracemalloc.start()
    measures = SingleLabelMeasures([labels[i] for i in true], [labels[i] for i in said], labels, ordered=True)
    found = measures.values(np.arange(20_000))
    details = measures.details()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6  # the matrix alone would have 800 MB
    assert found["accuracy"] == sk.accuracy_score(true, said)
    assert "confusion" not in details
    assert sum(cell["count"] for cell in details["confusion_cells"]) == 20_000
    first = details["confusion_cells"][0]
    where = (true == labels.index(first["reference"])) & (said == labels.index(first["answer"]))
    assert first["count"] == where.sum()


def test_the_most_frequent_confusions_come_first() -> None:
    references, answers = ["a"] * 5 + ["b"] * 3 + ["c"], ["a", "b", "b", "b", "c", "b", "a", "a", "c"]
    details = SingleLabelMeasures(references, answers, ["a", "b", "c"], ordered=False).details()
    assert details["confusions"] == [
        {"reference": "a", "answer": "b", "rows": 3},
        {"reference": "b", "answer": "a", "rows": 2},
        {"reference": "a", "answer": "c", "rows": 1},
    ]
