"""One sentence on the scores of answers: whether they tell right answers from wrong ones, or better from worse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The metric: area under the ROC curve of the scores, over right and wrong (or better and worse) answers.
METRIC = "score_auroc"


def ranking_sentence(metrics: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What the scores are good for; None where they are not measured, or without an interval.

    Args:
        metrics: as metrics.json has them.
    """
    found = metrics.get(METRIC)
    if found is None or found.get("low") is None:
        return None
    interval = f"[{found['low']:.2f}, {found['high']:.2f}]"
    if found["low"] > 0.5:
        return (
            f"of a better and a worse answer, the better one has the higher score in {found['value']:.0%} of the pairs"
            f" {interval}"
        )
    return (
        f"the scores do not tell better answers from worse ones (AUROC {found['value']:.2f} {interval}, chance is"
        " 0.50): do not sort or drop answers by them"
    )
