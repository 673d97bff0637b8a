"""`ftcore run SPEC...`: train, evaluate and export; several specs share the machine through a queue."""

from __future__ import annotations

import argparse

from ftcore.cli.options import Subparsers, add_command, add_spec, run_path
from ftcore.cli.work import add_no_audit, add_observer, add_runs_dir, add_verbose, new_run, resume_run, work
from ftcore.errors import ExitCode, UserError


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "run", run, "fine-tune, evaluate and export one spec or several")
    add_spec(parser, many=True, optional=True)
    add_runs_dir(parser)
    add_no_audit(parser)
    add_observer(parser)
    add_verbose(parser)
    parser.add_argument(
        "--resume", metavar="RUN", type=run_path, help="go on with this run in place of a new one"
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=int,
        help="of several specs: most runs at the same time (default: one a GPU; one where there is none)",
    )


def run(args: argparse.Namespace) -> int:
    """Take every step of one run, those that a resumed run lacks, or all of a queue."""
    if bool(args.specs) == (args.resume is not None):
        raise UserError("give either SPECs or --resume RUN", where="ftcore run")
    if args.jobs is not None and args.jobs < 1:
        raise UserError(f"{args.jobs} runs at a time are too few", where="--jobs")
    from ftcore.runs.folder import ALL_STEPS

    if len(args.specs) > 1:
        return _run_queue(args)
    if args.specs:
        args.spec = args.specs[0]
        work(args, new_run(args), ALL_STEPS)
    elif args.overrides:
        raise UserError("a resumed run keeps its spec", where="--set", hint="start a new run")
    else:
        resume_run(args, args.resume)
    return ExitCode.OK


def _run_queue(args: argparse.Namespace) -> int:
    from ftcore import processes
    from ftcore.cli.console import console, print_table, print_text
    from ftcore.cli.options import registry, resolve
    from ftcore.cli.progress import QueueProgress
    from ftcore.errors import Interrupted
    from ftcore.runs.names import refuse_repeats
    from ftcore.runs.placement import gpus
    from ftcore.runs.queue import exit_code_of, plan, run_queue
    from ftcore.runs.rows import check_inputs
    from ftcore.training.stopping import listen

    if processes.world() > 1:
        raise UserError("several processes train one spec", where="ftcore run", hint="name one SPEC")
    plugins = registry(args)
    # All at once, before anything starts: a spec that is not valid is found now, not in the night.
    with listen():
        resolved = [resolve(spec, args, plugins) for spec in args.specs]
        refuse_repeats(args.specs, [spec.path for spec in resolved])
        for spec in resolved:
            check_inputs(spec, audit=True)
    entries, file = plan(resolved, args.runs_dir)
    devices = gpus()
    options = ["--plugins-dir", str(args.plugins_dir)] if args.plugins_dir else []
    options += [f"--observer={name}" for name in plugins.chosen_observers(args.observers)]
    show = QueueProgress(console())
    try:
        with listen():
            run_queue(entries, args.jobs or len(devices) or 1, devices, options, show)
    except Interrupted as stop:
        raise Interrupted(
            stop.exit_code, "interrupted; the same command goes on where the queue was"
        ) from None
    finally:
        show.close()
    rows = [[entry.name, entry.status, entry.note, str(entry.folder.path)] for entry in entries]
    print_text("")
    print_table(["spec", "status", "newest result", "run"], rows)
    code = exit_code_of(entries)
    if code == ExitCode.OK:
        file.unlink()
    else:
        print_text(
            "\nnext: look into console.log in a failed run's folder; the same command tries those again"
        )
    return code
