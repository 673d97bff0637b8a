"""Why a run answers as it does, by its bundle: the worst errors explained, and the words that drive each label."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np

from ftcore.errors import UserError
from ftcore.evaluation.intervals import of_mean
from ftcore.files import read_json_lines
from ftcore.runs.folder import RunFolder
from ftcore.runs.predictions import worst_errors
from ftcore_runtime.errors import InputError
from ftcore_runtime.explanations.explanation import Explanation
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.segmentation import is_word

#: Errors that are explained.
WORST = 10
_SECONDS = 20.0  # after which no further error is explained: a run must not wait for its report
_WORDS, _WORDS_OF_PAIR = 10, 5  # of a label, of a pair of labels
_PAIRS = 10
_FEWEST = 3  # times that a word must be there

Line = Mapping[str, Any]


def explain_errors(folder: RunFolder) -> list[dict[str, Any]]:
    """The worst errors on the test rows, each with its row, its input, and what speaks for the answer.

    Answers without a score, and inputs of one word, are left out; so is what would take too long.
    """
    errors = worst_errors(read_json_lines(folder.predictions("test")), WORST)
    pipeline = Pipeline.load(folder.bundle)
    if not errors or not pipeline.decoder.answer.explainable:
        return []
    until = time.monotonic() + _SECONDS
    made = []
    for line in errors:
        if time.monotonic() > until:
            break
        if (found := _explained(pipeline, line, faithfulness=True)) is not None:
            made.append({"row": line.get("row", ""), "input": line["input"], **as_json(found)})
    return made


def as_json(found: Explanation) -> dict[str, Any]:
    """What a report draws of the first reason: whole texts in pieces, those that are parts with their weights."""
    reason = found.reasons[0]
    return {
        "target": reason.target,
        "score": reason.score,
        "texts": dict(found.pieces(reason)),
        "conclusion": found.conclusion,
    }


def explain_labels(folder: RunFolder, rows: int) -> dict[str, Any]:
    """The words that drive each label, and each pair of labels that is confused, over the first validation rows.

    Returns:
        `rows`, how many there are; `labels`, label -> words with `count`, the mean of their weights and its 95 %
        interval, which is above 0, those whose interval begins highest first; `confused`, the pairs that are confused
        most often, with the words that speak for the wrong label.

    Raises:
        UserError: the answers are no labels, or the run was not evaluated.
    """
    file = folder.predictions("validation")
    if not file.is_file():
        raise UserError(
            "this run was not evaluated yet", where=str(folder.path), hint=f"ftcore evaluate {folder.path}"
        )
    pipeline = Pipeline.load(folder.bundle)
    if not pipeline.labels or not pipeline.decoder.answer.explainable:
        raise UserError("only answers of labels have words that drive them", where="--global")
    by_label: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    by_pair: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    counts: Counter[tuple[str, str]] = Counter()
    read = 0
    for line in islice(read_json_lines(file), rows):
        found = _explained(pipeline, line, faithfulness=False)
        if found is None:
            continue
        read += 1
        label, reference = found.reasons[0].target, line["reference"]
        kinds = [by_label[label]]
        if isinstance(reference, str) and reference != label:
            counts[reference, label] += 1
            kinds.append(by_pair[reference, label])
        for word, weight in _words(found):
            for kind in kinds:
                kind[word].append(weight)
    return {
        "rows": read,
        "labels": {
            label: [one for one in _ranked(words) if one["low"] > 0][:_WORDS]
            for label, words in sorted(by_label.items())
        },
        "confused": [
            {
                "reference": reference,
                "answered": label,
                "rows": count,
                "words": _ranked(by_pair[reference, label], fewest=1)[:_WORDS_OF_PAIR],
            }
            for (reference, label), count in counts.most_common(_PAIRS)
        ],
    }


def _explained(pipeline: Pipeline, line: Line, *, faithfulness: bool) -> Explanation | None:
    given = line["input"]
    try:
        return pipeline.explain(tuple(given) if isinstance(given, list) else given, faithfulness=faithfulness)
    except InputError:  # one word only
        return None


def _words(found: Explanation) -> Iterator[tuple[str, float]]:
    """Its words in small letters with their weights for the first reason, each once, the mean where it is repeated."""
    weights: dict[str, list[float]] = defaultdict(list)
    for part, weight in zip(found.parts, found.reasons[0].weights, strict=True):
        if is_word(part.text):
            weights[part.text.casefold()].append(weight)
    for word, several in weights.items():
        yield word, math.fsum(several) / len(several)


def _ranked(words: Mapping[str, Sequence[float]], fewest: int = _FEWEST) -> list[dict[str, Any]]:
    """Words with the mean of their weights and Student's interval, those whose interval begins highest first."""
    made = []
    for word, weights in words.items():
        if len(weights) < fewest:
            continue
        known = asdict(of_mean(np.array(weights))) if len(weights) > 1 else {"low": None, "high": None}
        made.append({"word": word, "count": len(weights), "weight": float(np.mean(weights)), **known})
    return sorted(made, key=lambda one: -(one["weight"] if one["low"] is None else one["low"]))
