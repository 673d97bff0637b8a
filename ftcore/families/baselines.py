"""What a model has to beat: the answer that is right most often, a linear SVM on TF-IDF, the most similar row's answer.

Both learn in seconds from the training rows that the model learnt from; a model that is not clearly better than they
are was not worth its training.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

#: Rows that the TF-IDF baseline learns from at most, drawn at random: it is to take seconds.
MOST_ROWS = 20_000
#: Labels times features, or times rows, beyond which an SVM would need gigabytes.
_MOST_WEIGHTS = 10_000_000

# Scripts written without blanks between words: Thai, Lao, Khmer, Myanmar, kana, Han.
_WITHOUT_BLANKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def majority(references: Sequence[str], rows: int) -> list[str]:
    """The most frequent label of the training rows (the first by name among equals), `rows` times."""
    labels, counts = np.unique(np.asarray(references, dtype=object).astype(str), return_counts=True)
    return [str(labels[counts.argmax()])] * rows


def tfidf(
    texts: Sequence[str], references: Sequence[str], queries: Sequence[str], *, seed: int = 0
) -> list[str]:
    """The label of each text that was asked about, by a linear SVM on TF-IDF (scikit-learn).

    Features are words and pairs of words; in texts of scripts without blanks, up to three characters. Of so many labels
    that the SVM would fill the memory, the label whose rows' mean is nearest (Rocchio 1971).

    Args:
        texts, references: the training rows, of two labels or more.
        seed: of the draw where there are more than `MOST_ROWS`.
    """
    chosen = _drawn(len(texts), seed)
    found = _features([texts[i] for i in chosen], queries)
    if found is None:
        return majority(references, len(queries))
    labels = [references[i] for i in chosen]
    if len(set(labels)) * max(found[0].shape) > _MOST_WEIGHTS:
        return _nearest(*found, labels)
    return [str(label) for label in _fitted(_svm(), found[0], labels).predict(found[1])]


def most_similar(texts: Sequence[str], references: Sequence[str], queries: Sequence[str]) -> list[str]:
    """The answer of the training row whose text is most like the one that was asked about, by the cosine of TF-IDF.

    Args:
        texts, references: the training rows, at least one; `MOST_ROWS` of them are drawn where there are more.
    """
    chosen = _drawn(len(texts), seed=0)
    found = _features([texts[i] for i in chosen], queries)
    if found is None:
        return majority(references, len(queries))
    return [references[int(row)] for row in _nearest(*found, [str(row) for row in chosen])]


def most_similar_of_each(texts: Sequence[Sequence[str]], queries: Sequence[str]) -> list[int]:
    """For each query, which of its own texts is most like it, by the cosine of TF-IDF; the first where none is."""
    flat = [text for own in texts for text in own]
    found = _features(flat, queries) if flat else None
    if found is None:
        return [0] * len(queries)
    chosen, start = [], 0
    for query, own in enumerate(texts):
        alike = (found[0][start : start + len(own)] @ found[1][query].T).toarray().ravel()
        chosen.append(int(alike.argmax()) if len(own) else 0)
        start += len(own)
    return chosen


def _svm() -> Any:  # noqa: ANN401 (scikit-learn has no types)
    from sklearn.svm import LinearSVC

    return LinearSVC(random_state=0)


def _fitted(model: Any, rows: Any, answers: Any) -> Any:  # noqa: ANN401 (likewise)
    """The model after learning, without remarks: few rows of many labels are no mistake, last digits no loss."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes")
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, answers)


def _nearest(learnt: Any, queries: Any, labels: Sequence[str]) -> list[str]:  # noqa: ANN401 (scipy's sparse matrices)
    """The label of each row of `queries` by the cosine with the sums of the rows of `learnt`; sparse throughout."""
    from scipy.sparse import csr_matrix
    from sklearn.preprocessing import normalize

    names, index = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    members = csr_matrix((np.ones(len(index)), (index, np.arange(len(index)))), (len(names), len(index)))
    centroids = normalize(members @ learnt).T.tocsr()
    rows = max(1, _MOST_WEIGHTS // len(names))
    parts = [
        np.asarray((queries[start : start + rows] @ centroids).argmax(axis=1)).ravel()
        for start in range(0, queries.shape[0], rows)
    ]
    return [str(names[index]) for index in np.concatenate(parts)]


def tfidf_labels(
    texts: Sequence[str],
    references: Sequence[Sequence[str]],
    labels: Sequence[str],
    queries: Sequence[str],
    *,
    seed: int = 0,
) -> list[list[str]]:
    """The labels of each text that was asked about: an SVM as in `tfidf` for each label.

    Of so many labels that they would fill the memory the most frequent ones; the others never hold.
    """
    from sklearn.multiclass import OneVsRestClassifier

    chosen = _drawn(len(texts), seed)
    found = _features([texts[i] for i in chosen], queries)
    counts = Counter(label for i in chosen for label in references[i])
    frequent = {label for label, _ in counts.most_common(max(1, _MOST_WEIGHTS // len(chosen)))}
    labels = [label for label in labels if label in frequent]
    hot = np.asarray([[label in references[i] for label in labels] for i in chosen], dtype=int)
    varied = (hot.min(axis=0) < hot.max(axis=0)).nonzero()[0]
    held = np.tile(hot.min(axis=0), (len(queries), 1))  # a label that all rows have, or none, is no question
    if found is not None and len(varied):
        model = _fitted(OneVsRestClassifier(_svm()), found[0], hot[:, varied])
        held[:, varied] = model.predict(found[1]).reshape(len(queries), -1)
    return [[label for label, yes in zip(labels, row, strict=True) if yes] for row in held]


def tfidf_cosine(
    pairs: tuple[Sequence[str], Sequence[str]],
    values: Sequence[float],
    queries: tuple[Sequence[str], Sequence[str]],
    *,
    seed: int = 0,
) -> list[float]:
    """The number of each pair that was asked about, by how alike its texts are: on a line through the training pairs.

    Args:
        pairs, values: of the training rows; first and second texts.
        seed: of the draw where there are more than `MOST_ROWS`.
    """
    chosen = _drawn(len(values), seed)
    learnt = [[side[index] for index in chosen] for side in pairs]
    known = np.asarray([values[index] for index in chosen], dtype=float)
    found = _features([*learnt[0], *learnt[1]], [*queries[0], *queries[1]])
    alike, asked = (np.zeros(len(known)), np.zeros(len(queries[0])))
    if found is not None:
        alike, asked = (_cosines(side, side.shape[0] // 2) for side in found)
    if not alike.std():
        return [float(known.mean())] * len(queries[0])
    slope, start = np.polyfit(alike, known, 1)
    predicted: list[float] = (start + slope * asked).tolist()
    return predicted


def _cosines(rows: Any, count: int) -> np.ndarray[Any, np.dtype[Any]]:  # noqa: ANN401 (scipy's sparse matrices)
    """Of each of the first rows, which are of length one, with the row `count` below it, float [count]."""
    return np.asarray(rows[:count].multiply(rows[count:]).sum(axis=1)).ravel()


def _drawn(rows: int, seed: int) -> Sequence[int]:
    if rows <= MOST_ROWS:
        return range(rows)
    drawn: list[int] = np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False).tolist()
    return drawn


def _features(texts: Sequence[str], queries: Sequence[str]) -> tuple[Any, Any] | None:
    """TF-IDF of both, sparse [texts, features]; None where no text has a word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    form: dict[str, Any] = {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
    if without_blanks(texts):
        form = {"ngram_range": (1, 3), "analyzer": "char"}
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=100_000, **form)
    try:
        learnt = vectorizer.fit_transform(texts)
    except ValueError:  # an empty vocabulary
        return None
    return learnt, vectorizer.transform(queries)


def without_blanks(texts: Sequence[str], share: float = 0.2) -> bool:
    """Whether the texts (the first thousand of them) are written in a script that puts no blanks between words."""
    sample = "".join(texts[:1000])
    return len(_WITHOUT_BLANKS.findall(sample)) > share * max(1, len(sample))
