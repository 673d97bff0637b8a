"""`ftcore runs`: the runs there are, newest first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ftcore.cli.options import Subparsers, add_command
from ftcore.cli.work import add_runs_dir
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore.runs.folder import RunFolder


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "runs", run, "list the runs there are, newest first")
    add_runs_dir(parser)
    parser.add_argument("--json", action="store_true", help="print the records as JSON")


def run(args: argparse.Namespace) -> int:
    """List them; exit code 2 where a record cannot be read, after all that can."""
    from ftcore.cli.console import print_error, print_json, print_table, print_text
    from ftcore.runs.folder import RunFolder
    from ftcore.runs.names import run_paths

    records: list[dict[str, Any]] = []
    damaged: list[UserError] = []
    for path in run_paths(args.runs_dir):
        try:
            records.append(_as_json(RunFolder(path)))
        except UserError as error:
            damaged.append(error)
    if args.json:
        print_json(records)
    elif records:
        print_table(["run", "task", "status", "steps done", "test", "took"], [_row(one) for one in records])
    elif not damaged:
        print_text(f"no runs in {args.runs_dir}")
    for found in damaged:
        print_error(found)
    return ExitCode.BAD_INPUT if damaged else ExitCode.OK


def _row(one: dict[str, Any]) -> list[str]:
    worth = "" if one["value"] is None else f"{one['metric']} {one['value']:.4f}"
    steps = ", ".join(map(str, one["steps"]))
    return [one["path"], one["task"], one["status"], steps, worth, _duration(one.get("seconds"))]


def _as_json(folder: RunFolder) -> dict[str, Any]:
    from ftcore.runs.status import status_of

    metric, value = _headline(folder)
    record = {"path": str(folder.path), **folder.record(), "status": status_of(folder)}
    return {**record, "metric": metric, "value": value}


def _headline(folder: RunFolder) -> tuple[str | None, float | None]:
    """The monitored metric and its value on the test rows; None of a run that was not evaluated."""
    if not folder.metrics_file.is_file():
        return None, None
    measured = folder.metrics()
    metric: str = measured["metric"]
    value: float | None = measured["splits"]["test"]["metrics"].get(metric, {}).get("value")
    return metric, value


def _duration(seconds: float | None) -> str:
    """Hours, minutes and seconds: `1:02:03`, or `2:03`."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
