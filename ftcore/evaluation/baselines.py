"""What a model has to beat: the answer that is right most often, and logistic regression on TF-IDF.

Both learn in seconds from the training rows that the model learnt from; a model that is not clearly better than they
are was not worth its training.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

#: Rows that the TF-IDF baseline learns from at most, drawn at random: it is to take seconds.
MOST_ROWS = 20_000

# Scripts written without blanks between words: Thai, Lao, Khmer, Myanmar, kana, Han.
_WITHOUT_BLANKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def majority(references: Sequence[str], rows: int) -> list[str]:
    """The most frequent label of the training rows (the first by name among equals), `rows` times."""
    labels, counts = np.unique(np.asarray(references, dtype=object).astype(str), return_counts=True)
    return [str(labels[counts.argmax()])] * rows


def tfidf(
    texts: Sequence[str], references: Sequence[str], asked: Sequence[str], *, seed: int = 0
) -> list[str]:
    """The label of each text that was asked about, by logistic regression on TF-IDF (scikit-learn).

    Features are words and pairs of words; in texts of scripts without blanks, up to three characters.

    Args:
        texts, references: the training rows, of two labels or more.
        seed: of the draw where there are more than `MOST_ROWS`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    chosen: Sequence[int] = range(len(texts))
    if len(texts) > MOST_ROWS:
        chosen = np.random.default_rng(seed).choice(len(texts), MOST_ROWS, replace=False).tolist()
    learnt = [texts[i] for i in chosen]
    form: dict[str, Any] = {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
    if without_blanks(learnt):
        form = {"ngram_range": (1, 3), "analyzer": "char"}
    try:
        model = make_pipeline(
            TfidfVectorizer(sublinear_tf=True, max_features=100_000, **form),
            LogisticRegression(C=10.0, max_iter=200),
        ).fit(learnt, [references[i] for i in chosen])
    except ValueError:  # no text has a word: nothing to learn from
        return majority(references, len(asked))
    return [str(label) for label in model.predict(list(asked))]


def without_blanks(texts: Sequence[str], share: float = 0.2) -> bool:
    """Whether the texts (the first thousand of them) are written in a script that puts no blanks between words."""
    sample = "".join(texts[:1000])
    return len(_WITHOUT_BLANKS.findall(sample)) > share * max(1, len(sample))
