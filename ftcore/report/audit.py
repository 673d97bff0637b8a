"""An audit as one HTML file without scripts or requests, in which every text of a user is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftcore.audit.findings import Audit, Finding
from ftcore.report.templates import template

_LABELS = 100
_EXAMPLES = 50
_OUTCOMES = {"error": "worse", "warning": "unclear", "note": ""}


def render_audit(name: str, found: Audit) -> str:
    """The audit of a spec as HTML.

    Args:
        name: of the spec.
    """
    return template("audit.html.j2").render(name=name, audit=audit_section(found, _EXAMPLES))


def audit_section(found: Audit, examples: int) -> dict[str, Any]:
    """What the template of findings shows.

    Args:
        examples: rows of each finding, at most.
    """
    return {
        "rows": f"{sum(found.rows.values()):,}",
        "sizes": _table(
            "split",
            {
                split: {"rows": rows} | dict(found.lengths.get(split, {}))
                for split, rows in found.rows.items()
            },
        ),
        "estimate": [[name, f"{value:,.0f}"] for name, value in found.estimate.items()],
        "labels": _table("label", dict([*found.labels.items()][:_LABELS])),
        "labels_left": max(0, len(found.labels) - _LABELS),
        "findings": [_finding(finding, examples) for finding in found.findings],
    }


def _table(head: str, content: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    names = list(next(iter(content.values()), {}))
    lines = [[name, *(f"{figures[one]:,}" for one in names)] for name, figures in content.items()]
    return {"heads": [head, *(f"#{name}" for name in names)], "lines": lines}


def _finding(finding: Finding, examples: int) -> dict[str, Any]:
    shown = finding.examples[:examples]
    return {
        "severity": finding.severity,
        "outcome": _OUTCOMES[finding.severity],
        "check": finding.check,
        "what": finding.what,
        "hint": finding.hint,
        "examples": [{"note": example.note, "rows": example.rows} for example in shown],
        "shown": f"{len(shown):,} of {finding.count:,}" if len(shown) < finding.count else "All of them",
    }
