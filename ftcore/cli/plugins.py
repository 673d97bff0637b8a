"""`ftcore plugins`: where each plugin comes from, and whether it loads; each is tried on its own."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from ftcore.cli.options import Subparsers, add_command, registry
from ftcore.errors import ExitCode, PluginError

if TYPE_CHECKING:
    from ftcore.plugins import PluginInfo, PluginRegistry

#: What `--strict` does not accept. A plugin outside the allowlist is as its owner wants it.
_BAD = ("broken", "conflict", "missing")


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "plugins", run, "list the plugins; load each to see its hooks and whether it works"
    )
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 2 if any is broken, missing or in conflict"
    )


def run(args: argparse.Namespace) -> int:
    """Print every plugin, with what keeps it from working."""
    from ftcore.cli.console import print_json, print_table, print_text

    plugins = registry(args)
    records = [_record(info, plugins) for info in plugins.infos(None)]
    if args.json:
        print_json(records)
    else:
        rows = [
            (
                record["kind"],
                record["id"],
                record["status"],
                record["origin"],
                f"{record['dist']} {record['version']}" if record["dist"] else "-",
                ", ".join(record["hooks"]) or "-",
                record["path"] or record["module"],
            )
            for record in records
        ]
        print_table(("kind", "id", "status", "origin", "distribution", "hooks", "path"), rows)
        for record in records:
            if record["problem"]:
                print_text(f"\n{record['kind']} {record['id']}: {record['problem']}")
    return (
        ExitCode.BAD_INPUT
        if args.strict and any(record["status"] in _BAD for record in records)
        else ExitCode.OK
    )


def _record(info: PluginInfo, plugins: PluginRegistry) -> dict[str, Any]:
    record = {**info.as_json(), "hooks": []}
    if info.status != "available":
        return record
    try:
        with redirect_stdout(sys.stderr):  # what a plugin prints must not get into the list
            hooks = plugins.try_to_load(info)
    except PluginError as error:
        return {**record, "status": "broken", "problem": str(error)}
    return {**record, "status": "ok", "hooks": list(hooks)}
