"""Losses that families share: float32 logits in, one loss a row out. Nothing is summed here."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, *, smoothing: float = 0.0, gamma: float | None = None
) -> torch.Tensor:
    """Cross-entropy of each row, float32 [rows].

    Args:
        logits: [rows, labels].
        target: int64 [rows].
        smoothing: share of the target spread evenly over all labels (Szegedy et al. 2016).
        gamma: focal loss (Lin et al. 2017): each row times (1 - p)^gamma, p being what the right label gets.
    """
    rows = F.cross_entropy(logits, target, label_smoothing=smoothing, reduction="none")
    if gamma is None:
        return rows
    right = logits.softmax(-1).gather(1, target[:, None]).squeeze(1)
    return (1.0 - right) ** gamma * rows


def binary_cross_entropy(
    logits: torch.Tensor,
    target: torch.Tensor,
    *,
    smoothing: float = 0.0,
    gamma: float | None = None,
    by_label: torch.Tensor | None = None,
) -> torch.Tensor:
    """Binary cross-entropy, the mean over labels of each row, float32 [rows].

    Args:
        logits: [rows, labels].
        target: 0 or 1, float32 [rows, labels].
        smoothing: targets are drawn this far towards one half.
        gamma: focal loss, as in `cross_entropy`, label by label.
        by_label: float32 [labels]: weight of each label.
    """
    soft = target * (1.0 - smoothing) + 0.5 * smoothing
    each = F.binary_cross_entropy_with_logits(logits, soft, weight=by_label, reduction="none")
    if gamma is not None:
        probability = logits.sigmoid()
        right = torch.where(target > 0.5, probability, 1.0 - probability)
        each = (1.0 - right) ** gamma * each
    return each.mean(1)


def contrastive_cosine(vectors: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Contrastive loss of the rows' pairs: how far cosines are from 1 for one target, from 0 for two; one number.

    Squared differences, as SetFit takes them (Tunstall et al. 2022), of all pairs of the rows; those of one target and
    those of two count half each, however many there are.

    Args:
        vectors: float32 [rows, size].
        target: int64 [rows].
        weight: float32 [rows]; a pair weighs the product of its rows' weights.
    """
    unit = F.normalize(vectors, dim=1)
    same = (target[:, None] == target).float()
    errors = (unit @ unit.T - same).square()
    pairs = torch.triu(weight[:, None] * weight, diagonal=1)
    kinds = (pairs * same, pairs * (1 - same))
    means = [(errors * kind).sum() / kind.sum().clamp(min=1e-9) for kind in kinds]
    return torch.stack(means).mean()


def distillation_kl(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Divergence of the student's softmax over the last axis from the teacher's, float32 [rows].

    Both are divided by the temperature, and the result is multiplied by its square, so that its gradient keeps its
    size (Hinton et al. 2015, section 2.1). Entries at -inf of the teacher (padding) count nothing; axes between the
    first and the last are summed.
    """
    p, q = (teacher / temperature).log_softmax(-1), (student / temperature).log_softmax(-1)
    padding = torch.isinf(p)
    p, q = p.masked_fill(padding, 0.0), q.masked_fill(padding, 0.0)
    return temperature**2 * (p.exp() * (p - q)).flatten(1).sum(1)


def distillation_bernoulli_kl(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Likewise of independent yes-or-no answers, averaged over labels, float32 [rows]."""
    p, q = teacher / temperature, student / temperature
    yes = p.sigmoid() * (F.logsigmoid(p) - F.logsigmoid(q))
    no = (-p).sigmoid() * (F.logsigmoid(-p) - F.logsigmoid(-q))
    return temperature**2 * (yes + no).mean(1)


def symmetric_kl(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean of both Kullback-Leibler divergences of the softmax over the last axis, float32 [rows].

    Entries at -inf (padding) count nothing; axes between the first and the last are summed.
    """
    p, q = one.log_softmax(-1), other.log_softmax(-1)
    padding = torch.isinf(p) | torch.isinf(q)
    p, q = p.masked_fill(padding, 0.0), q.masked_fill(padding, 0.0)
    return 0.5 * ((p.exp() - q.exp()) * (p - q)).flatten(1).sum(1)


def symmetric_bernoulli_kl(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean of both divergences of independent yes-or-no answers, averaged over labels, float32 [rows]."""
    return 0.5 * ((one.sigmoid() - other.sigmoid()) * (one - other)).mean(1)


def log_odds(logits: torch.Tensor, index: int, count: int = 1) -> torch.Tensor:
    """The log-odds of some classes, by their softmax, against all others, float32 [...].

    Args:
        logits: [..., classes].
        index, count: the first of them, and how many there are.
    """
    others = torch.cat([logits[..., :index], logits[..., index + count :]], dim=-1)
    return logits[..., index : index + count].logsumexp(dim=-1) - others.logsumexp(dim=-1)
