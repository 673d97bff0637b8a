"""`ftcore reproduce RUN`: make a run again from its own record, and say whether it came out equal."""

from __future__ import annotations

import argparse

from ftcore.cli.options import Subparsers, add_command
from ftcore.cli.work import add_run, add_runs_dir, open_workspace
from ftcore.errors import CheckFailed, ExitCode, Interrupted, UserError
from ftcore.imports import uncollected


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "reproduce", run, "train and evaluate a run again, and say what differs if anything does"
    )
    add_run(parser)
    add_runs_dir(parser, "where the new run is kept")
    parser.add_argument(
        "--tolerance",
        metavar="X",
        type=float,
        default=0.0,
        help="by how much a metric may differ (default: 0: equal bits, of the weights too)",
    )


def run(args: argparse.Namespace) -> int:
    """Make it again and compare. Exit code 3 where it is not equal."""
    if not args.tolerance >= 0:
        raise UserError("a tolerance is a number from 0 up", where="--tolerance")
    from ftcore.cli.console import print_text
    from ftcore.cli.options import registry
    from ftcore.runs import reproduction
    from ftcore.runs.folder import open_run
    from ftcore.runs.status import at_work
    from ftcore.training.stopping import listen

    original = open_run(args.run_path)
    again, differences = reproduction.begin(original, args.runs_dir, registry(args))
    try:
        with listen() as stop, at_work(again):
            with uncollected():
                import torch

                from ftcore.runs.steps import take_steps

            with open_workspace(args, again) as workspace:
                workspace.record_inputs()
                changed = reproduction.of_data(original, again.record())
                differences += changed
                if changed:  # other data make another run, however it ends
                    reproduction.write_report(again, original, differences)
                    raise CheckFailed("not the data of that run:\n" + "\n".join(map(str, differences)))
                torch.set_num_threads(reproduction.device_of(original)["threads"])
                take_steps(workspace, ["train", "evaluate"], stop)
    except Interrupted as stop:
        raise Interrupted(stop.exit_code, "interrupted; give the command again to start over") from None
    differences += reproduction.compare(original, again, args.tolerance)
    reproduction.write_report(again, original, differences)
    if any(difference.bad for difference in differences):
        raise CheckFailed("not equal:\n" + "\n".join(map(str, differences)))
    within = f"within {args.tolerance:g}" if args.tolerance else "to the last bit, the weights too"
    print_text(f"\nequal: every metric of {original.path} is the same {within}\nrun {again.path}")
    for difference in differences:
        print_text(f"although not the same: {difference}")
    return ExitCode.OK
