"""What an export says at its end: a table of the variants, each measured through the runtime that serves it."""

from __future__ import annotations

from typing import Any

from ftcore.cli.console import metric_text, print_table, print_text


def print_export(report: dict[str, Any]) -> None:
    """Print the contents of export.json."""
    variants, metric = report["variants"], report["metric"]
    threads = next(iter(variants.values()))["speed"]["threads"]
    print_text(f"\nthe variants, each measured through the runtime that serves it ({threads} threads)")
    trained_on = any(found["validation"].get("trained_on") for found in variants.values())
    print_table(
        [
            "variant",
            "MB",
            f"validation {metric}{' (trained on)' if trained_on else ''}",
            f"test {metric}",
            "answers that flip",
            "load",
            "p50",
            "p95",
            "rows/s, batches of 32",
            "same in any batch",
            "",
        ],
        [_row(name, found, report) for name, found in variants.items()],
    )
    for name, why in report["skipped"].items():
        print_text(f"not made: {name}: {why}")
    for name, found in variants.items():
        for failure in found["failures"]:
            print_text(f"{name}: {failure}")
        if kept := found.get("kept_in_float"):
            print_text(f"{name}: kept in float: {', '.join(kept)}")
    if report["gates"] is not None:
        print_text(
            f"the bundle answers with {report['default']}: the {report['prefer']} that passes every gate"
            if not variants[report["default"]]["failures"]
            else f"no variant passes every gate; the bundle answers with {report['default']}"
        )
    if report.get("ladder"):  # a run of an older version has none
        print_text("\nteacher and student on the test rows")
        print_table(
            ["model", "variant", "MB", f"test {metric}", "p50", "rows/s, batches of 32"],
            [_comparison_row(row, metric) for row in report["ladder"]],
        )


def _comparison_row(row: dict[str, Any], metric: str) -> list[str]:
    speed = row["speed"]
    return [
        row["model"],
        row["variant"],
        f"{row['bytes'] / 1e6:.1f}",
        metric_text(row["test"]["metrics"][metric]),
        f"{speed['p50_ms']:.2f} ms" if speed else "too large for a graph",
        f"{speed['rows_per_second']:,.0f}" if speed else "",
    ]


def _row(name: str, found: dict[str, Any], report: dict[str, Any]) -> list[str]:
    metric, speed = report["metric"], found["speed"]
    return [
        name,
        f"{found['bytes'] / 1e6:.1f}",
        metric_text(found["validation"]["metrics"][metric]),
        metric_text(found["test"]["metrics"][metric]),
        f"{len(found['parity']['flips'])} of {found['parity']['rows']}",
        f"{speed['load_ms']:.0f} ms",
        f"{speed['p50_ms']:.2f} ms",
        f"{speed['p95_ms']:.2f} ms",
        f"{speed['rows_per_second']:,.0f}",
        "yes" if found["batch_invariant"] else "no",
        "fails" if found["failures"] else "default" if name == report["default"] else "",
    ]
