"""What a reading of the rows came to, in lines: rows of each split, what was fixed or left out, rows of each label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LABELS = 20  # named in a table


def rows_line(report: Mapping[str, Any]) -> str:
    """Rows of each split; `report` as `data_report` of run.json has it."""
    return f"data: {split_sizes(report['rows'])}"


def split_sizes(rows: Mapping[str, int]) -> str:
    """Rows of each split, in words."""
    return ", ".join(f"{count:,} {name}" for name, count in rows.items())


def data_warnings(report: Mapping[str, Any]) -> Iterator[str]:
    """What users should know of how the splits came about, a line each."""
    for name, count in report.get("asked", {}).items():
        yield f"warning: {count:,} rows of {name} were asked for; training keeps a row of every label"
    for of, other in (("leaked", "training"), ("shared", "validation")):
        for name, count in report.get(of, {}).items():
            if count:
                yield f"warning: {count:,} rows of {name} have the input of a {other} row"
    for location, what in report["remarks"]:
        yield f"{location}: {what}"
    for what in ("fixed", "dropped"):
        for source, count in report[what].items():
            if count:
                yield f"warning: {count:,} rows of {source} were {what}"


def label_lines(counts: Mapping[str, int]) -> Iterator[str]:
    """The labels with their training rows, in the order of the logits; of many the first."""
    total = sum(counts.values()) or 1
    for label, count in [*counts.items()][:_LABELS]:
        yield f"  {label}: {count:,} training rows ({count / total:.1%})"
    if len(counts) > _LABELS:
        rest = sorted([*counts.values()][_LABELS:])
        yield f"  ... and {len(rest):,} more labels, of {rest[0]:,} to {rest[-1]:,} rows"
