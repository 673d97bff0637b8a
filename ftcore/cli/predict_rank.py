"""`ftcore predict --rank`: rows that share their first text, ranked by the number that a bundle gives each."""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from ftcore.cli.predict import show_errors
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore_runtime import Pipeline
    from ftcore_server.offline.source import Source

#: Ranks that count for nDCG.
DEPTH = 10


def answer_ranked(pipeline: Pipeline, source: Source, file: BinaryIO, args: argparse.Namespace) -> int:
    """Answer every row, and write the lines with their `rank`; returns the exit code.

    Raises:
        UserError: the bundle gives no numbers, or a relevance is none.
    """
    from ftcore_runtime.answers import ValueAnswer, to_jsonl
    from ftcore_server.offline.lines import answer_lines

    if pipeline.decoder.answer is not ValueAnswer or pipeline.required < 2:
        raise UserError(
            f"a bundle of the task {pipeline.task!r} gives no number for two texts",
            where="--rank",
            hint="train one with the task `similarity`",
        )
    lines: list[dict[str, Any]] = []
    errors: list[tuple[int, str]] = []
    for some in answer_lines(pipeline, source.rows(), args.batch_size, keep=True):
        lines += some.lines
        errors += some.errors
    groups = rank(lines, source.columns[0])
    measured = None if args.relevance is None else measures(groups, args.relevance, source.name)
    file.write(to_jsonl(line if args.keep else _without(line, "input") for line in lines))
    bad = show_errors(source.name, errors)
    sys.stderr.write(f"{len(lines) - bad} rows of {len(groups)} queries ranked, {bad} could not be\n")
    if measured is not None:
        sys.stderr.write(", ".join(f"{name} {value:.4f}" for name, value in measured.items()) + "\n")
    return ExitCode.CHECK_FAILED if bad else ExitCode.OK


def rank(lines: Sequence[dict[str, Any]], query: str) -> list[list[dict[str, Any]]]:
    """Give each line its `rank` among those of its query, 1 for the largest number; equal ones keep their order.

    Args:
        lines: with their `input`; those with an `error` are not ranked.
        query: the column of the query.

    Returns:
        the lines of each query, best first.
    """
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if "error" not in line:
            groups[line["input"][query]].append(line)
    for own in groups.values():
        own.sort(key=lambda line: -line["value"])
        for place, line in enumerate(own, 1):
            line["rank"] = place
    return [*groups.values()]


def measures(groups: Sequence[Sequence[Mapping[str, Any]]], column: str, name: str) -> dict[str, float]:
    """nDCG of the first ten ranks (Järvelin and Kekäläinen 2002) and mean reciprocal rank, over queries.

    Queries without a relevant row say nothing and are left out.

    Args:
        groups: the lines of each query, best first.
        column: of the relevance: 0 for rows that are not relevant, above it the more the better.
        name: of the source, for errors.

    Raises:
        UserError: a relevance is no number of at least 0, or no row of any query is relevant.
    """
    ndcg, reciprocal = [], []
    for group in groups:
        gains = [_relevance(line, column, name) for line in group]
        if not any(gains):
            continue
        ndcg.append(_discounted(gains) / _discounted(sorted(gains, reverse=True)))
        reciprocal.append(1 / next(place for place, gain in enumerate(gains, 1) if gain))
    if not ndcg:
        raise UserError(f"no row is relevant by the column {column!r}", where=name)
    return {f"nDCG@{DEPTH}": sum(ndcg) / len(ndcg), "MRR": sum(reciprocal) / len(ndcg)}


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains[:DEPTH], 1))


def _relevance(line: Mapping[str, Any], column: str, name: str) -> float:
    value = line["input"].get(column)
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise UserError(
            f"expected a number of at least 0 in the column {column!r}, got {value!r:.60}",
            where=f"{name}:{line['row']}",
        )
    return number


def _without(line: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != key}
