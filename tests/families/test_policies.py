"""Policies: what is chosen on some rows holds on others, and too few rows are refused with how many it takes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from ftcore.errors import UserError
from ftcore.families.calibration import calibration_error
from ftcore.families.policies import (
    NEVER,
    check_rows,
    choose_temperature,
    confidence_for,
    conformal_of,
    fit_temperature,
    precise_thresholds,
    rows_needed,
    unmet_labels,
)
from ftcore.spec.policy import PolicySpec
from ftcore_runtime.policy import reached

LABELS = 8


def drawn(rows: int, seed: int, sharpness: float = 3.0, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose labels are drawn by their own softmax, made `sharpness` times too sure of themselves."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, LABELS)) * spread
    right = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    return logits * sharpness, right


def test_the_temperature_that_made_the_scores_too_sure_is_found() -> None:
    logits, right = drawn(4000, seed=0)
    found = fit_temperature(logits, right)
    assert found == pytest.approx(3.0, rel=0.1)
    unseen, truth = drawn(4000, seed=1)

    def error(temperature: float) -> float:
        scores = softmax(unseen / temperature, axis=1)
        return calibration_error(scores.max(axis=1), scores.argmax(axis=1) == truth)

    assert error(1.0) > 0.15
    assert error(found) < 0.03


def test_of_several_labels_too() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2000, 3)) * 2
    right = 1 / (1 + np.exp(-logits)) > rng.random(logits.shape)
    assert fit_temperature(logits * 2, right) == pytest.approx(2.0, rel=0.1)


def test_few_rows_leave_the_logits_as_they_are_unless_that_is_refused() -> None:
    logits, right = drawn(99, seed=0)
    assert choose_temperature(PolicySpec(), logits, right) == (1.0, None)
    assert choose_temperature(PolicySpec(temperature="off"), *drawn(500, seed=0)) == (1.0, None)
    assert choose_temperature(PolicySpec(), *drawn(100, seed=0))[0] > 1.5
    check_rows(PolicySpec(), 1)


def test_scores_that_mean_what_they_say_get_no_temperature_and_a_reason() -> None:
    made = [choose_temperature(PolicySpec(), *drawn(150, seed, sharpness=1.0)) for seed in range(20)]
    reasons = [why for temperature, why in made if temperature == 1.0]
    assert len(reasons) >= 15, "of 20 draws whose best temperature is 1"
    assert all(
        why and why.startswith("no temperature: on validation rows that it was not") for why in reasons
    )


def test_a_temperature_does_not_make_unseen_rows_worse() -> None:
    """Several labels with three in a hundred rows each: 30 draws, what is kept and what it does to other rows."""
    worse = kept = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        logits = rng.normal(loc=-4.0, size=(2200, 6))
        right = 1 / (1 + np.exp(-logits)) > rng.random(logits.shape)
        temperature, _ = choose_temperature(PolicySpec(), logits[:200], right[:200])
        kept += temperature != 1.0

        def loss(divisor: float, own: np.ndarray = logits[200:], truth: np.ndarray = right[200:]) -> float:
            return float(np.logaddexp(0, np.where(truth, -own, own) / divisor).mean())

        worse += loss(temperature) > loss(1.0) + 2e-4
    assert kept <= 10
    assert worse <= 3


def test_each_label_has_the_precision_that_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random((6000, 3)) ** [1, 2, 8]
    right = probabilities > rng.random(probabilities.shape)
    right[:, 2] = False
    found = np.array(precise_thresholds(probabilities[:3000], right[:3000], 0.8))
    held = probabilities[3000:] >= found
    for label in (0, 1):
        assert right[3000:, label][held[:, label]].mean() == pytest.approx(0.8, abs=0.05)
        assert held[:, label].mean() > 0.05
    assert found[2] == NEVER, "no row has the third label"
    assert unmet_labels({"a": found[0], "b": found[2]}, PolicySpec(target_precision=0.8)) == [
        "policy.target_precision: no threshold reaches 0.8 on the validation rows for `b`, so rows get that label only"
        " where it is certain"
    ]


@pytest.mark.parametrize(
    ("field", "value", "needed"),
    [
        ("temperature", "fit", 100),
        ("target_precision", 0.95, 45),
        ("target_precision", 0.99, 230),
        ("conformal", {"coverage": 0.9}, 100),
        ("conformal", {"coverage": 0.95}, 200),
    ],
)
def test_too_few_rows_are_refused_with_how_many_it_takes(field: str, value: object, needed: int) -> None:
    spec = PolicySpec.model_validate({field: value})
    assert rows_needed(spec) == {field: needed}
    check_rows(spec, needed)
    with pytest.raises(UserError, match=f"policy.{field}: needs {needed} validation rows, and there are 30"):
        check_rows(spec, 30)


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_sets_cover_the_right_label_as_often_as_asked(method: str) -> None:
    covered = []
    for seed in range(60):
        logits, right = drawn(600, seed)
        scores = softmax(logits, axis=1)
        chosen = conformal_of(scores[:300], right[:300], method, 0.9)
        members = chosen.members(scores[300:])
        covered.append(members[np.arange(300), right[300:]].mean())
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)


def test_sums_of_probabilities_by_hand() -> None:
    found = reached(np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]))
    assert found == pytest.approx(np.array([[1.0, 0.5, 0.8], [0.6, 1.0, 0.9]]))


def test_a_precision_that_is_asked_for_is_got_all_but_surely() -> None:
    got, answered = [], []
    for seed in range(100):
        logits, right = drawn(1000, seed, sharpness=1.0, spread=5.0)
        scores = softmax(logits, axis=1)
        confidence, hits = scores.max(axis=1), scores.argmax(axis=1) == right
        least = confidence_for(confidence[:500], hits[:500], 0.9)
        assert least is not None
        given = confidence[500:] >= least
        # What is expected of the rows that are answered, and not what these few happen to be.
        got.append(confidence[500:][given].mean())
        answered.append(given.mean())
    assert np.mean(np.array(got) >= 0.9) >= 0.85, "the risk that is taken is a tenth"
    assert np.mean(answered) > 0.05


def test_a_precision_that_no_confidence_reaches() -> None:
    rng = np.random.default_rng(0)
    assert confidence_for(rng.random(200), rng.random(200) < 0.5, 0.9) is None
    assert confidence_for(np.full(50, 0.5), np.ones(50, bool), 0.95) == 0.5
    assert confidence_for(np.full(44, 0.5), np.ones(44, bool), 0.95) is None, "45 are needed"
