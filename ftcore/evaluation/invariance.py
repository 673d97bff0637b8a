"""Whether answers stay as they are where the text changes in a way that should not matter.

Ribeiro et al. 2020, "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", call it an invariance test. No
right answers are needed: the model is compared with itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.data.perturbation import Perturb, perturbed
from ftcore.data.tables import Split
from ftcore.evaluation.evaluate import with_interval
from ftcore.evaluation.intervals import proportion
from ftcore.families.reader import Reader, SupportsInvariance

#: Rows of the test split that a check answers once more, spread over all of it.
MOST_ROWS = 2000
_EXAMPLES = 5

#: Answers to rows of the reader's schema.
Answering = Callable[[pa.Table], Sequence[Any]]


def measure_invariance(
    checks: Mapping[str, tuple[Perturb, float]],
    reader: Reader[Any, Any],
    rows: Split,
    answers: Sequence[Any],
    answer: Answering,
    confidence: float,
) -> list[dict[str, Any]]:
    """Each check's share of answers that stay, with Wilson's interval, as metrics.json has it.

    Args:
        checks: name -> the change of texts, and the share of answers that has to stay.
        answers: to the rows as they are.
        answer: gives those to changed rows.
        confidence: of the intervals.
    """
    fields = reader.perturbable if isinstance(reader, SupportsInvariance) else ()
    return [
        {
            "check": name,
            **_measured(change, fields, reader, rows, answers, answer, confidence),
            "at_least": bound,
        }
        for name, (change, bound) in checks.items()
    ]


def answers_that_change(measured: Sequence[Mapping[str, Any]]) -> list[str]:
    """What of `checks.invariance` is not met, a sentence each."""
    unmet = []
    for one in measured:
        where, same = f"checks.invariance: {one['check']}", one["same"]
        if same is None:
            unmet.append(f"{where}: it changes no row")
        elif same["value"] < one["at_least"]:
            unmet.append(
                f"{where}: {same['value']:.1%} of the answers to {one['rows']:,} changed rows stay;"
                f" wanted: {one['at_least']:.1%}"
            )
    return unmet


def _measured(
    change: Perturb,
    fields: Sequence[str],
    reader: Reader[Any, Any],
    rows: Split,
    answers: Sequence[Any],
    answer: Answering,
    confidence: float,
) -> dict[str, Any]:
    other, differs = perturbed(rows.table, fields, change)
    found = np.flatnonzero(differs.to_numpy())
    chosen = found[np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST_ROWS)).astype(int))]
    if not len(chosen):
        return {"rows": 0, "same": None, "examples": []}
    table = other.take(pa.array(chosen))
    again = answer(table)
    before = [answers[index] for index in chosen.tolist()]
    stays = np.array([one.agrees(two) for one, two in zip(before, again, strict=True)], dtype=bool)
    interval = {"same": proportion(int(stays.sum()), len(stays), confidence)}
    changed = np.flatnonzero(~stays)[:_EXAMPLES].tolist()
    given, locations = reader.inputs(table), rows.locations.take(pa.array(chosen)).to_pylist()
    return {
        "rows": len(chosen),
        "same": with_interval(float(stays.mean()), interval, "same"),
        "examples": [
            {
                "row": locations[index],
                "input": given[index],
                "before": before[index].summary,
                "after": again[index].summary,
            }
            for index in changed
        ],
    }
