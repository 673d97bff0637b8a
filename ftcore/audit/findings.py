"""What an audit has found, as values: findings with the rows that show them, and tables of rows, labels and lengths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ftcore.errors import DataError

Severity = Literal["error", "warning", "note"]

#: Rows of a finding that are kept; it counts the others.
MOST_EXAMPLES = 200
_CHARACTERS = 300  # of a row's text in an example
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Row:
    """One row of an example: `file:row`, and its text, cut where it is long."""

    location: str
    text: str


@dataclass(frozen=True)
class Example:
    """Rows that show a finding, and what is to be said of them alone."""

    rows: tuple[Row, ...]
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        check: the name of what looked for it.
        what: a sentence with its figures.
        count: rows, labels or columns that it is about.
        hint: what to do about it.
        examples: the first of them.
    """

    check: str
    severity: Severity
    what: str
    count: int
    hint: str = ""
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Audit:
    """All that was found.

    Args:
        rows: split -> rows.
        labels: label -> split -> rows; empty where rows have no labels.
        lengths: split -> name of a figure -> the figure: characters of the texts, and tokens once they are known.
        findings: errors first, then warnings, then notes.
        estimate: what a training will take, a name with its unit to each figure; empty where it was not measured.
    """

    rows: Mapping[str, int]
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    lengths: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    estimate: Mapping[str, float] = field(default_factory=dict)

    @property
    def errors(self) -> list[Finding]:
        """Findings that a run must not begin with."""
        return [finding for finding in self.findings if finding.severity == "error"]

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Audit:
        """What `to_json` made."""
        return cls(**{**value, "findings": tuple(map(_finding, value["findings"]))})

    def require_no_errors(self) -> None:
        """Refuse rows that a run must not begin with.

        Raises:
            DataError: with the errors.
        """
        if not self.errors:
            return
        first = self.errors[0]
        what = first.what if len(self.errors) == 1 else "; ".join(error.what for error in self.errors)
        raise DataError(what, where=f"audit: {first.check}", hint=first.hint)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings, then notes; those of one severity as they come."""
    return tuple(sorted(findings, key=lambda finding: _SEVERITIES.index(finding.severity)))


def row(location: str, text: str) -> Row:
    """A row of an example."""
    return Row(location, text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…")


def counted(count: int, name: str) -> str:
    """A number of things, in words: `1 row`, `1,200 rows`."""
    return f"{count:,} {name}{'s' if count != 1 else ''}"


def kept(examples: Sequence[Example]) -> tuple[Example, ...]:
    """The first ones."""
    return tuple(examples[:MOST_EXAMPLES])


def _finding(value: Mapping[str, Any]) -> Finding:
    examples = tuple(
        Example(tuple(Row(**one) for one in example["rows"]), example["note"])
        for example in value["examples"]
    )
    return Finding(**{**value, "examples": examples})
