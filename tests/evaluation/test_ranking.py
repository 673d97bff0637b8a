"""Whether scores tell right answers from wrong ones: the area, and the sentence that says it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ftcore.evaluation.ranking import ranking_sentence
from ftcore.families.calibration import ranking_quality
from ftcore.families.text_generation.metrics import TextMeasures
from ftcore_runtime.answers import TextAnswer


def test_the_area_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    scores, right = rng.random(200).round(1), rng.random(200) < 0.3
    assert ranking_quality(scores, right) == pytest.approx(roc_auc_score(right, scores))
    assert ranking_quality(scores, np.ones(200, bool)) == 0.5


def test_scores_that_know_and_scores_that_do_not() -> None:
    assert ranking_sentence({"chrf": {"value": 50.0}}) is None
    assert ranking_sentence({"score_auroc": {"value": 0.7}}) is None, "no interval, no sentence"
    good = ranking_sentence({"score_auroc": {"value": 0.712, "low": 0.61, "high": 0.8}})
    assert good is not None
    assert "the better one has the higher score in 71% of the pairs [0.61, 0.80]" in good
    bad = ranking_sentence({"score_auroc": {"value": 0.55, "low": 0.49, "high": 0.61}})
    assert bad is not None
    assert "do not sort or drop answers by them" in bad


@pytest.mark.parametrize("measure", ["chrf", "rouge"])
def test_better_texts_are_those_above_the_median(measure: str) -> None:
    references = ["one two three", "four five six", "seven eight nine", "ten eleven twelve"]
    texts = ["one two three", "four five seven", "x", "y"]
    scores = [-0.1, -2.0, -1.0, -3.0]
    answers = [TextAnswer(text, score) for text, score in zip(texts, scores, strict=True)]
    found = TextMeasures(references, answers, [measure], "13a").scores().values  # type: ignore[list-item]
    # Of the pairs of a better one (the first two) and a worse one, the third is ahead of the second.
    assert found["score_auroc"] == 0.75
    silent = [TextAnswer(text) for text in texts]
    assert "score_auroc" not in TextMeasures(references, silent, [measure], "13a").scores().values  # type: ignore[list-item]
