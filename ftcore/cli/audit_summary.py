"""An audit on a terminal, within 80 columns: sizes, labels, and each finding with its first rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import TYPE_CHECKING

from ftcore.cli.console import print_table, print_text

if TYPE_CHECKING:
    from ftcore.audit.findings import Audit, Example, Finding

_WIDTH = 80
_LABELS = 10  # of the table
_EXAMPLES, _MORE_EXAMPLES = 2, 10


def print_audit(spec: str, found: Audit, *, verbose: bool = False) -> None:
    """Print what was found.

    Args:
        spec: what it was found in, for the first line.
        verbose: more rows of each finding.
    """
    print_text(f"{spec}: {counts(found)}\n")
    figures = dict.fromkeys(name for its in found.lengths.values() for name in its)
    print_table(
        ["", *found.rows],
        [
            ["rows", *(f"{rows:,}" for rows in found.rows.values())],
            *(
                [name, *(f"{found.lengths[split].get(name, 0):,}" for split in found.rows)]
                for name in figures
            ),
        ],
    )
    _print_labels(found.labels)
    if found.estimate:
        print_text("")
        for line in wrap(estimate_line(found.estimate), _WIDTH, subsequent_indent="  "):
            print_text(line)
    for finding in found.findings:
        print_text("")
        for line in finding_lines(finding, _MORE_EXAMPLES if verbose else _EXAMPLES):
            print_text(line)


def counts(found: Audit) -> str:
    """How many findings there are of each severity, in words."""
    numbers = {
        severity: sum(finding.severity == severity for finding in found.findings)
        for severity in ("error", "warning", "note")
    }
    there = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in numbers.items() if count]
    return ", ".join(there) or "nothing to say"


def estimate_line(figures: Mapping[str, float]) -> str:
    """What a training will take, in a sentence."""
    seconds = figures["seconds"]
    lasts = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return (
        f"estimate: a training of {figures['steps']:,.0f} steps takes about {lasts} on this machine as busy as it is"
        f" now, {figures['peak memory, MiB']:,.0f} MiB of memory and {figures['disk, MiB']:,.0f} MiB of disk"
    )


def finding_lines(finding: Finding, examples: int = 0) -> Iterator[str]:
    """A finding in lines of 80 characters at most, with so many of its examples."""
    yield from wrap(
        f"{finding.severity}: {finding.check}: {finding.what}",
        _WIDTH,
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    if finding.hint:
        yield from wrap(f"  help: {finding.hint}", _WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    for example in finding.examples[:examples]:
        yield from _example_lines(example)


def _example_lines(example: Example) -> Iterator[str]:
    from ftcore.cli.summary import one_line

    for number, row in enumerate(example.rows):
        note = f" ({example.note})" if example.note and not number else ""
        head = f"= {row.location}" if number else f"{row.location}{note}"
        if len(head) > _WIDTH // 2:
            yield f"  {one_line(head, _WIDTH - 2)}"
            yield f"    {one_line(row.text, _WIDTH - 4)}"
        else:
            yield f"  {one_line(f'{head}: {row.text}', _WIDTH - 2)}"


def _print_labels(table: Mapping[str, Mapping[str, int]]) -> None:
    if not table:
        return
    splits = list(next(iter(table.values())))
    print_text("")
    print_table(
        ["label", *splits],
        [
            [label if len(label) <= 40 else label[:39] + "…", *(f"{rows[split]:,}" for split in splits)]
            for label, rows in [*table.items()][:_LABELS]
        ],
    )
    if len(table) > _LABELS:
        print_text(f"... and {len(table) - _LABELS:,} more labels with fewer rows")
