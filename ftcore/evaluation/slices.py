"""Kinds of rows measured on their own: which rows are of a slice, its monitored metric, and what it has to reach."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ftcore.data.rows import meets
from ftcore.data.tables import Split
from ftcore.errors import RowError, UserError
from ftcore.evaluation.evaluate import Array, Evaluation, Evaluator
from ftcore.families.bound import BoundFamily
from ftcore.families.reader import Reader, SupportsLabelCounts, labels_in
from ftcore.families.spelling import unknown_label
from ftcore.spec.sections import SliceSpec
from ftcore_runtime.patterns import shortest_match


def members_of(slices: Sequence[SliceSpec], reader: Reader[Any, Any], rows: Split) -> dict[str, Array] | None:
    """Name of each slice -> whether each row is of it, bool [rows]; None where the spec has no slices.

    Raises:
        UserError: a kept column is no number, and a slice compares numbers.
    """
    if not slices:
        return None
    texts = [list(_texts(given)) for given in reader.inputs(rows.table)]
    references = reader.references(rows.table)
    kept = [{}] * len(texts) if rows.kept is None else [json.loads(one) for one in rows.kept.to_pylist()]
    found = {}
    for one in slices:
        try:
            held = [_holds(one, *row) for row in zip(texts, references, kept, strict=True)]
        except RowError as error:
            raise UserError(
                f"column {error.column!r}: {error.what}", where=f"the slice `{one.name}`"
            ) from None
        found[one.name] = np.array(held, dtype=bool)
    return found


def check_slices(family: BoundFamily, rows: Split) -> None:
    """Refuse slices that could never be measured.

    Raises:
        UserError: a kept column is no number, and a slice compares numbers; or nothing has the label of a slice.
    """
    slices = family.spec.slices
    members = members_of(slices, family.reader, rows) or {}
    if not isinstance(family.fitted, SupportsLabelCounts):
        return
    labels = [*family.fitted.label_counts]
    for one in slices:
        if one.label is not None and one.label not in labels and not members[one.name].any():
            raise UserError(unknown_label(one.label, labels), where=f"the slice `{one.name}`")


def measure_slices(
    evaluator: Evaluator,
    metric: str,
    members: Mapping[str, Array],
    found: Evaluation,
    groups: Array | None,
) -> list[dict[str, Any]]:
    """Each slice's rows and monitored metric with its interval, as metrics.json has them, the worst slice first.

    Args:
        metric: the monitored one.
        members: see `members_of`.
        found: the answers to all rows.
        groups: of all rows; see `groups_of`.
    """
    measured: list[dict[str, Any]] = []
    for name, held in members.items():
        indices = np.flatnonzero(held).tolist()
        one: dict[str, Any] = {"slice": name, "rows": len(indices), "metric": None}
        if len(indices):
            references, answers = ([each[i] for i in indices] for each in (found.references, found.answers))
            own = None if groups is None else groups[indices]
            one["metric"] = evaluator.metric(metric, references, answers, own)
        measured.append(one)
    sign = 1 if evaluator.family.scoring.higher_is_better(metric) else -1
    return sorted(measured, key=lambda one: sign * one["metric"]["value"] if one["metric"] else np.inf)


def slices_below(evaluator: Evaluator, metric: str, measured: Sequence[Mapping[str, Any]]) -> list[str]:
    """What of `checks.slices` is not met, a sentence each."""
    wanted = evaluator.family.spec.checks.slices
    higher = evaluator.family.scoring.higher_is_better(metric)
    unmet = []
    for one in measured:
        if (bound := wanted.get(one["slice"])) is None:
            continue
        where = f"checks.slices.{one['slice']}"
        if one["metric"] is None:
            unmet.append(f"{where}: no row is of this slice")
        elif not (one["metric"]["value"] >= bound if higher else one["metric"]["value"] <= bound):
            value = one["metric"]["value"]
            unmet.append(f"{where}: {metric} is {value:.4f} on {one['rows']:,} rows; wanted: {bound:g}")
    return unmet


def is_linear(pattern: str) -> bool:
    """Whether the time of a search is known to be linear in the text.

    Edges of words at its beginning and its end cost nothing, unless something repeats before the last one.
    """
    inner = pattern.removeprefix("(?i)").removeprefix(r"\b")
    if inner.endswith(r"\b") and inner.count("\\") == 1 and not set(inner) & set("*+{?"):
        inner = inner.removesuffix(r"\b")
    return shortest_match(inner) is not None


def _texts(given: Any) -> Iterator[str]:  # noqa: ANN401 (what a user of the bundle passes)
    if isinstance(given, str):
        yield given
    else:
        yield from map(str, given.values() if isinstance(given, Mapping) else given)


def _holds(one: SliceSpec, texts: Sequence[str], reference: Any, kept: Mapping[str, Any]) -> bool:  # noqa: ANN401
    length = sum(map(len, texts))
    if one.min_characters is not None and length < one.min_characters:
        return False
    if one.max_characters is not None and length > one.max_characters:
        return False
    if one.label is not None and one.label not in labels_in(reference):
        return False
    if one.pattern is not None and not any(re.search(one.pattern, text) for text in texts):
        return False
    return all(meets(condition, kept) for condition in one.where)
