"""Losses against their formulas."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn import functional as F

from ftcore.families import losses
from ftcore.families.sequence_classification.model import LabelModel
from ftcore.families.sequence_classification.reader import LabelReader
from ftcore.families.sequence_classification.spec import SequenceClassificationSpec

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-3.0, 4.0, 0.0], [1.0, 1.0, 1.0]])
TARGET = torch.tensor([0, 2, 0, 1])


def family_of(problem: str = "single_label", counts: tuple[int, ...] = (6, 3, 1), **training: object):
    """A family that has seen so many rows of each label a, b, c."""
    spec = SequenceClassificationSpec.model_validate(
        {
            "task": "x",
            "data": {"train": "x", "problem": problem},
            "model": {"base": "x"},
            "training": training,
        }
    )
    labels = [label for label, count in zip("abc", counts, strict=True) for _ in range(count)]
    given = [[x] for x in labels] if problem == "multi_label" else labels
    rows = pa.table({"label": given, "weight": [1.0] * len(labels)})
    return LabelModel(spec, LabelReader(spec).fit(rows))


def loss_of(family: LabelModel, logits: torch.Tensor = LOGITS, target: torch.Tensor = TARGET) -> float:
    batch = {"labels": target, "weight": torch.ones(len(target))}
    return float(family.loss({"logits": logits}, batch) / family.weight(batch))


def test_focal_loss_with_gamma_0_is_cross_entropy() -> None:
    assert loss_of(family_of(focal_gamma=0.0)) == pytest.approx(float(F.cross_entropy(LOGITS, TARGET)))


def test_focal_loss_follows_its_formula_and_discounts_easy_rows() -> None:
    right = LOGITS.softmax(1)[torch.arange(4), TARGET]
    rows = losses.cross_entropy(LOGITS, TARGET, gamma=2.0)
    torch.testing.assert_close(rows, -((1 - right) ** 2) * right.log())
    plain = losses.cross_entropy(LOGITS, TARGET)
    assert (rows / plain).argmin() == right.argmax()


def test_label_smoothing_is_a_mixture_with_the_uniform_target() -> None:
    soft = 0.9 * F.one_hot(TARGET, 3) + 0.1 / 3
    expected = -(soft * LOGITS.log_softmax(1)).sum(1).mean()
    assert loss_of(family_of(label_smoothing=0.1)) == pytest.approx(float(expected))


def test_logit_adjustment_shifts_by_the_log_prior() -> None:
    prior = torch.tensor([0.6, 0.3, 0.1]).log()
    assert loss_of(family_of(logit_adjustment=1.5)) == pytest.approx(
        float(F.cross_entropy(LOGITS + 1.5 * prior, TARGET))
    )


def test_logit_adjustment_learns_the_rare_label() -> None:
    """With inputs that say nothing, plain cross-entropy learns the priors; adjusted, the logits become level."""
    target = torch.tensor([0] * 6 + [1] * 3 + [2])
    for adjusted, expected in ((None, torch.tensor([0.6, 0.3, 0.1])), (1.0, torch.full((3,), 1 / 3))):
        family, logits = family_of(logit_adjustment=adjusted), torch.zeros(1, 3, requires_grad=True)
        for _ in range(300):
            batch = {"labels": target, "weight": torch.ones(10)}
            (gradient,) = torch.autograd.grad(
                family.loss({"logits": logits.expand(10, 3)}, batch) / 10, logits
            )
            logits = (logits - 2.0 * gradient).detach().requires_grad_()
        torch.testing.assert_close(logits.softmax(1)[0].detach(), expected, atol=1e-3, rtol=0)


def test_class_weights_by_effective_number() -> None:
    weights = family_of(class_weights="effective_number", effective_number_beta=0.9).class_weights
    effective = [(1 - 0.9**n) / (1 - 0.9) for n in (6, 3, 1)]
    assert np.divide(weights, weights[0]) == pytest.approx([effective[0] / e for e in effective])
    # Near 1 every row counts fully, as balanced has it; near 0 labels count alike.
    balanced = family_of(class_weights="balanced").class_weights
    near_1 = family_of(class_weights="effective_number", effective_number_beta=0.999999).class_weights
    near_0 = family_of(class_weights="effective_number", effective_number_beta=1e-9).class_weights
    assert near_1 == pytest.approx(balanced, rel=1e-4)
    assert near_0 == pytest.approx([1.0, 1.0, 1.0])


def test_binary_losses() -> None:
    target = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    plain = F.binary_cross_entropy_with_logits(LOGITS, target)
    assert loss_of(family_of("multi_label"), LOGITS, target) == pytest.approx(float(plain))
    assert loss_of(family_of("multi_label", focal_gamma=0.0), LOGITS, target) == pytest.approx(float(plain))
    right = torch.where(target > 0, LOGITS.sigmoid(), 1 - LOGITS.sigmoid())
    focal = (-((1 - right) ** 2) * right.log()).mean()
    assert loss_of(family_of("multi_label", focal_gamma=2.0), LOGITS, target) == pytest.approx(float(focal))
    smooth = F.binary_cross_entropy_with_logits(LOGITS, target * 0.8 + 0.1)
    assert loss_of(family_of("multi_label", label_smoothing=0.2), LOGITS, target) == pytest.approx(
        float(smooth)
    )


def test_losses_of_a_number() -> None:
    value, target = torch.tensor([[0.0], [3.0], [0.5]]), torch.tensor([0.0, 0.0, 0.0])
    assert loss_of(family_of("regression"), value, target) == pytest.approx((9 + 0.25) / 3)
    huber = family_of("regression", loss="huber", huber_delta=2.0)
    assert loss_of(huber, value, target) == pytest.approx((2 * (3 - 1) + 0.125) / 3), "linear beyond delta"


def test_symmetric_kl_is_the_mean_of_both_divergences_and_passes_over_padding() -> None:
    one, other = LOGITS, LOGITS.flip(1)
    p, q = one.log_softmax(1), other.log_softmax(1)
    expected = 0.5 * (
        F.kl_div(q, p, log_target=True, reduction="none") + F.kl_div(p, q, log_target=True, reduction="none")
    )
    torch.testing.assert_close(losses.symmetric_kl(one, other), expected.sum(1))
    assert losses.symmetric_kl(one, one).abs().max() < 1e-6
    pad = torch.full((4, 2), -torch.inf)
    padded = torch.cat([one, pad], 1).requires_grad_()
    found = losses.symmetric_kl(padded, torch.cat([other, pad], 1))
    torch.testing.assert_close(found, expected.sum(1))
    found.sum().backward()
    assert padded.grad is not None
    assert torch.isfinite(padded.grad).all()


def test_symmetric_bernoulli_kl() -> None:
    p, q = torch.tensor([[0.2]]), torch.tensor([[0.7]])
    expected = 0.5 * ((p - q) * (p.logit() - q.logit()))
    torch.testing.assert_close(losses.symmetric_bernoulli_kl(p.logit(), q.logit()), expected[0])


def test_pairs_of_one_label_are_to_point_one_way_and_others_across() -> None:
    vectors = torch.tensor([[2.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, -5.0]])
    target, weight = torch.tensor([0, 0, 1, 1]), torch.ones(4)
    # One label's two rows have a cosine of 1, the other's of -1; all of two labels have one of 0.
    assert float(losses.contrastive_cosine(vectors, target, weight)) == pytest.approx((0 + 4) / 2 / 2)
    # The last row weighs nothing.
    without = losses.contrastive_cosine(vectors, target, torch.tensor([1.0, 1.0, 1.0, 0.0]))
    assert float(without) == pytest.approx(0.0)
    # Wrong is as far for the one label's pair as for the four of two labels together.
    mixed = losses.contrastive_cosine(vectors[[0, 2, 1]], torch.tensor([0, 0, 1]), torch.ones(3))
    assert float(mixed) == pytest.approx((1 + (1 + 0) / 2) / 2)


def test_a_row_alone_or_one_label_has_no_pairs_to_compare() -> None:
    one = torch.tensor([[2.0, 1.0]], requires_grad=True)
    distance = losses.contrastive_cosine(one, torch.tensor([0]), torch.ones(1))
    assert float(distance.detach()) == 0.0
    distance.backward()
    assert torch.equal(one.grad, torch.zeros(1, 2))
