"""How good generated texts are: BLEU, chrF, ROUGE, length, repetition, what is copied from the source; and whether the
scores of the answers know it.

Every metric is kept as a few numbers a row, so that a bootstrap resample costs sums and no counting. BLEU and chrF
are sacrebleu's (Post 2018), from its own statistics; ROUGE is rouge-score's, as percent, the mean over rows of F1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ftcore.errors import UserError
from ftcore.families.calibration import ranking_quality
from ftcore.families.scoring import Scores
from ftcore.families.text_generation.spec import Measure
from ftcore_runtime.answers import TextAnswer

_NGRAM = 2  # of copied and novel n-grams
_REPEATED = 3  # of repetition
_WORD = re.compile(r"\w+", re.UNICODE)
_UNIT = re.compile(r"[^\W\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+|\w", re.UNICODE)


class Target(str):
    """A reference text that knows its source, for metrics of what is copied; everywhere else it is a text.

    Args:
        text: the reference.
        source: what it was generated from.
    """

    source: str

    def __new__(cls, text: str, source: str) -> Target:
        made = super().__new__(cls, text)
        made.source = source
        return made


def units(text: str, tokenization: str) -> list[str]:
    """Words in lower case; with `zh` and `char` each Chinese, Japanese or Korean character is one."""
    pattern = _UNIT if tokenization in ("zh", "char") else _WORD
    return pattern.findall(text.lower())


class TextMeasures:
    """The metrics of some answers against their references.

    Args:
        references: `Target`s; plain texts have an empty source.
        measures: groups of metrics in addition to length ratio and repetition.
        tokenization: see the spec.
    """

    def __init__(
        self,
        references: Sequence[str],
        answers: Sequence[TextAnswer],
        measures: Sequence[Measure],
        tokenization: str,
    ) -> None:
        texts = [answer.text for answer in answers]
        self.details: dict[str, Any] = {}
        self._parts: list[Callable[[np.ndarray], Mapping[str, float]]] = []
        #: chrF, or where that is not measured ROUGE-L, of each row.
        self._quality: np.ndarray | None = None
        made = {"bleu": self._bleu, "chrf": self._chrf, "rouge": self._rouge, "copying": self._copying}
        for measure in measures:
            made[measure](references, texts, tokenization)
        self._shape(references, texts, tokenization)
        self._ranking([answer.score for answer in answers])

    def scores(self) -> Scores:
        """Of all rows."""
        return Scores(self.values(self.every_row), self.details)

    def values(self, rows: np.ndarray) -> dict[str, float]:
        """Of the rows at these indices (with repetition)."""
        return {name: value for part in self._parts for name, value in part(rows).items()}

    def _bleu(self, references: Sequence[str], texts: Sequence[str], tokenization: str) -> None:
        from sacrebleu.metrics import BLEU

        self._corpus("bleu", BLEU(tokenize=tokenization), references, texts)

    def _chrf(self, references: Sequence[str], texts: Sequence[str], tokenization: str) -> None:
        from sacrebleu.metrics import CHRF

        self._corpus("chrf", CHRF(), references, texts)

    def _corpus(self, name: str, metric: Any, references: Sequence[str], texts: Sequence[str]) -> None:  # noqa: ANN401
        """A metric of sums over the corpus; sacrebleu's own bootstrap adds up the same statistics."""
        if not texts:
            self._parts.append(lambda rows: {name: 0.0})
            return
        statistics = np.array(
            metric._extract_corpus_statistics(list(texts), [[str(one) for one in references]]), np.float64
        )
        self.details.setdefault("signatures", {})[name] = str(metric.get_signature())

        def score(rows: np.ndarray) -> Mapping[str, float]:
            total = statistics[rows].sum(axis=0)
            return {name: float(metric._compute_score_from_stats(total.tolist()).score)}

        self._parts.append(score)
        if name == "chrf":
            each = [metric._compute_score_from_stats(row).score for row in statistics.tolist()]
            self._quality = np.array(each, np.float64)

    def _rouge(self, references: Sequence[str], texts: Sequence[str], tokenization: str) -> None:
        from rouge_score.rouge_scorer import RougeScorer

        names = ("rouge1", "rouge2", "rougeL", "rougeLsum")
        words = _Units(tokenization) if tokenization in ("zh", "char") else None
        scorer = RougeScorer(list(names), use_stemmer=False, tokenizer=words)
        found = [
            scorer.score(str(reference), text) for reference, text in zip(references, texts, strict=True)
        ]
        table = 100 * np.array([[one[name].fmeasure for name in names] for one in found]).reshape(
            -1, len(names)
        )
        self.details["rouge"] = (
            "F1 without stemming; rougeL over the whole text, rougeLsum line by line (Lin 2004, union of matches)"
        )
        self._parts.append(lambda rows: dict(zip(names, _mean(table[rows]), strict=True)))
        if self._quality is None:
            self._quality = table[:, names.index("rougeL")]

    def _copying(self, references: Sequence[str], texts: Sequence[str], tokenization: str) -> None:
        """Share of the answers' bigrams that stand in the source, and of those that do not."""
        counts = np.zeros((len(texts), 2))
        for row, (reference, text) in enumerate(zip(references, texts, strict=True)):
            made = _ngrams(units(text, tokenization), _NGRAM)
            there = set(_ngrams(units(getattr(reference, "source", ""), tokenization), _NGRAM))
            counts[row] = sum(one in there for one in made), len(made)

        def score(rows: np.ndarray) -> Mapping[str, float]:
            copied, made = counts[rows].sum(axis=0)
            share = float(copied / made) if made else 0.0
            return {"copied_bigrams": share, "novel_bigrams": 1 - share if made else 0.0}

        self._parts.append(score)

    def _shape(self, references: Sequence[str], texts: Sequence[str], tokenization: str) -> None:
        """Length of the answers over that of the references, and the share of their trigrams that came before."""
        self.every_row = np.arange(len(texts))
        counts = np.zeros((len(texts), 4))
        for row, (reference, text) in enumerate(zip(references, texts, strict=True)):
            own = units(text, tokenization)
            made = _ngrams(own, _REPEATED)
            counts[row] = len(own), len(units(reference, tokenization)), len(made) - len(set(made)), len(made)

        def score(rows: np.ndarray) -> Mapping[str, float]:
            own, right, again, made = counts[rows].sum(axis=0)
            return {
                "length_ratio": float(own / right) if right else 0.0,
                "repetition": float(again / made) if made else 0.0,
            }

        self._parts.append(score)

    def _ranking(self, scores: Sequence[float | None]) -> None:
        """How well the answers' own scores tell the better half of them from the worse."""
        if self._quality is None or not scores or any(score is None for score in scores):
            return
        own, better = np.array(scores, np.float64), self._quality > np.median(self._quality)
        self._parts.append(lambda rows: {"score_auroc": ranking_quality(own[rows], better[rows])})


class _Units:
    """`units` as rouge-score wants a tokenizer."""

    def __init__(self, tokenization: str) -> None:
        self.tokenization = tokenization

    def tokenize(self, text: str) -> list[str]:
        return units(text, self.tokenization)


def _ngrams(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(size)), strict=False))


def _mean(table: np.ndarray) -> list[float]:
    return (
        [0.0 if math.isnan(value) else value for value in table.mean(axis=0).tolist()]
        if len(table)
        else [0.0] * 4
    )


def require_packages(measures: Sequence[Measure]) -> None:
    """Say what is missing before anything is trained.

    Raises:
        UserError: sacrebleu or rouge-score is not installed.
    """
    from importlib.util import find_spec

    needed = {"bleu": "sacrebleu", "chrf": "sacrebleu", "rouge": "rouge_score"}
    for measure in measures:
        if (module := needed.get(measure)) and find_spec(module) is None:
            raise UserError(
                f"the metrics need the package {module.replace('_', '-')}",
                where="evaluation",
                hint="pip install 'ftcore[generation]'",
            )
