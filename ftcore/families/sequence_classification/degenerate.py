"""What is wrong with a classifier at first sight: it answers one thing only, or nothing, or knows the shares alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ftcore_runtime.answers import LabelAnswer, LabelsAnswer, ValueAnswer

#: Share of the loss of an answer by the labels' shares from which a loss counts as no better.
_NEAR = 0.9
#: Confidence, in times the largest share (or halfway from there to 1), below which a model has not made up its mind.
_UNDECIDED = 1.5


def label_warnings(references: Sequence[str], answers: Sequence[LabelAnswer]) -> list[str]:
    """A sentence for each thing that is wrong with answers of one label."""
    shares = {label: count / len(references) for label, count in Counter(references).items()}
    if len(shares) < 2:
        return []
    most = max(shares, key=lambda label: shares[label])
    predicted = {answer.label for answer in answers}
    found = []
    if len(predicted) == 1:
        found.append(f"every row gets the same label, {predicted.pop()!r}")
    loss = -float(
        np.mean([np.log(max(_at_most(a, r), 1e-12)) for a, r in zip(answers, references, strict=True)])
    )
    by_shares = -sum(share * np.log(share) for share in shares.values())
    confidence = float(np.mean([answer.score for answer in answers]))
    undecided = min(_UNDECIDED * shares[most], (1 + shares[most]) / 2)
    if loss >= _NEAR * by_shares and confidence < undecided:
        found.append(
            f"it has hardly learnt: its loss is {loss:.3f}, that of answering by the labels' shares {by_shares:.3f},"
            f" and its mean confidence {confidence:.3f}"
        )
    return found


def _at_most(answer: LabelAnswer, label: str) -> float:
    """The probability of a label; of one that is not among the scores, the most that it can have."""
    if label in answer.scores:
        return answer.scores[label]
    return min(1.0 - sum(answer.scores.values()), *answer.scores.values())


def labels_warnings(references: Sequence[Sequence[str]], answers: Sequence[LabelsAnswer]) -> list[str]:
    """Likewise of any number of labels."""
    if not any(references):
        return []
    predicted = {label for answer in answers for label in answer.labels}
    never = sorted({label for row in references for label in row} - predicted)
    if not predicted:
        return ["no row gets any label"]
    if all(answer.labels == answers[0].labels for answer in answers):
        return [f"every row gets the same labels: {', '.join(answers[0].labels)}"]
    if len(never) > len({label for row in references for label in row}) / 2:
        return [f"{len(never)} labels that the rows have are never given: {', '.join(never[:5])}..."]
    return []


def value_warnings(references: Sequence[float], answers: Sequence[ValueAnswer]) -> list[str]:
    """Likewise of a number."""
    true, predicted = np.array(references), np.array([answer.value for answer in answers])
    if len(true) < 2 or not true.std():
        return []
    if predicted.std() < 1e-3 * true.std():
        return [f"every row gets nearly the same number, {predicted.mean():.4g}"]
    return []
