"""Exact match and F1 of answers, as the official script of SQuAD 2.0 defines them (Rajpurkar et al. 2018).

That of SQuAD 1.1 says the same of every answer but one of nothing but articles and punctuation, to which it gives an F1
of 0 even if the reference is the same. All values are shares, 0 to 1.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ftcore.families.calibration import calibration_error, ranking_quality
from ftcore_runtime.spans import SpanAnswer

Normalisation = Literal["english", "characters"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
# Ideographs (with extensions and compatibility forms), kana and bopomofo stand for themselves; a run of anything
# else is one token.
_CHARACTERS = re.compile(
    "[\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    "|[^\\s\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def english_tokens(text: str) -> list[str]:
    """Words in lower case, without ASCII punctuation and articles (`normalize_answer` of the official script)."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def character_tokens(text: str) -> list[str]:
    """Single Chinese or Japanese characters, other words whole; lower case, without punctuation.

    As the scripts of MLQA (Lewis et al. 2020) treat Chinese.
    """
    kept = "".join(" " if unicodedata.category(c)[0] == "P" else c for c in text.lower())
    return _CHARACTERS.findall(kept)


_TOKENS: dict[Normalisation, Callable[[str], list[str]]] = {
    "english": english_tokens,
    "characters": character_tokens,
}


def exact_and_f1(answer: str, references: Sequence[str], normalisation: Normalisation) -> tuple[float, float]:
    """Best exact match and best F1 over the references; the right answer to no references is the empty one."""
    tokens = _TOKENS[normalisation]
    predicted = tokens(answer)
    gold = [found for reference in references if (found := tokens(reference))] or [[]]
    return float(predicted in gold), max(_f1(predicted, right) for right in gold)


def _f1(predicted: list[str], right: list[str]) -> float:
    if not predicted or not right:
        return float(predicted == right)
    common = sum((Counter(predicted) & Counter(right)).values())
    return 2 * common / (len(predicted) + len(right))


class SpanMeasures:
    """Exact match and F1; of questions with and without an answer, and at the best threshold, where there are both.

    Args:
        references: the right texts of each question; none where it has no answer.
        answers: with candidates, whose first is the best span, where no answer is one.
    """

    def __init__(
        self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer], normalisation: Normalisation
    ) -> None:
        pairs = list(zip(references, answers, strict=True))
        self._measured = _table([exact_and_f1(a.text, r, normalisation) for r, a in pairs])
        self._answerable = np.array([bool(r) for r in references], bool)
        self._scores = np.array([answer.score for answer in answers], float)
        self.optional = any(answer.no_answer is not None for answer in answers)
        if self.optional:
            none: dict[str, Any] = {"text": "", "score": 0.0}
            spans = [a.candidates[0] if a.candidates else none for a in answers]
            self._as_span = _table(
                [exact_and_f1(s["text"], r, normalisation) for s, r in zip(spans, references, strict=True)]
            )
            tiny = np.finfo(float).tiny
            score = np.array([max(span["score"], tiny) for span in spans])
            null = np.array([max(answer.no_answer or 0.0, tiny) for answer in answers])
            #: By how much the score of no answer exceeds that of the best span.
            self.difference = np.log(null) - np.log(score)
            self._order = np.argsort(self.difference, kind="stable")

    @property
    def exact(self) -> np.ndarray:
        """Whether each answer is exactly right, bool [rows]."""
        right: np.ndarray = self._measured[:, 0] > 0
        return right

    def values(self, rows: np.ndarray) -> Mapping[str, float]:
        """Every metric of the rows at these indices."""
        exact, f1 = self._measured[rows].mean(0)
        right, scores = self.exact[rows], self._scores[rows]
        found = {
            "exact_match": float(exact),
            "f1": float(f1),
            "score_auroc": ranking_quality(scores, right),
            "ece": calibration_error(scores, right),
        }
        if not self.optional:
            return found
        answerable = self._answerable[rows]
        for name, part in (("has_answer", answerable), ("no_answer", ~answerable)):
            exact, f1 = self._measured[rows[part]].mean(0) if part.any() else (0.0, 0.0)
            found |= {f"exact_match_{name}": float(exact), f"f1_{name}": float(f1)}
        best, _ = self._best(rows)
        return {**found, "best_exact_match": float(best[0]), "best_f1": float(best[1])}

    def best_threshold(self) -> float:
        """The `difference` above which no answer is the answer, with the best F1 (the middle of a gap)."""
        return float(self._best(np.arange(len(self._measured)))[1][1])

    def details(self) -> dict[str, Any]:
        """The thresholds that gave the best figures, and the questions of either kind."""
        if not self.optional:
            return {}
        thresholds = self._best(np.arange(len(self._measured)))[1].tolist()
        return {
            "best_thresholds": {"exact_match": thresholds[0], "f1": thresholds[1]},
            "questions": {
                "has_answer": int(self._answerable.sum()),
                "no_answer": int((~self._answerable).sum()),
            },
        }

    def _best(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Best exact match and F1 over all thresholds, and those thresholds.

        Going up through the differences, one question after another is answered with its best span instead of none.
        """
        times = np.bincount(rows, minlength=len(self._order))[self._order, None]
        none = times * (~self._answerable)[self._order, None]
        gained = np.cumsum(times * self._as_span[self._order] - none, axis=0)
        totals = none.sum() + np.concatenate([np.zeros((1, 2)), gained])
        best = totals.argmax(0)
        edges = self.difference[self._order]
        middles = np.concatenate([[edges[0] - 1], (edges[1:] + edges[:-1]) / 2, [edges[-1] + 1]])
        return totals[best, [0, 1]] / len(rows), middles[best]


def _table(pairs: Sequence[tuple[float, float]]) -> np.ndarray:
    return np.array(pairs, float).reshape(-1, 2)
