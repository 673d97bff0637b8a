"""What run, train, evaluate and export share: a workspace with progress on the console, and its summary."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore import processes
from ftcore.cli.options import RUNS_DIR, run_path
from ftcore.errors import CheckFailed, Interrupted

if TYPE_CHECKING:
    from ftcore.runs.folder import RunFolder, Step
    from ftcore.runs.workspace import Workspace


def add_runs_dir(parser: argparse.ArgumentParser) -> None:
    """`--runs-dir`."""
    parser.add_argument(
        "--runs-dir",
        metavar="DIR",
        type=Path,
        default=RUNS_DIR,
        help="where runs are kept (default: runs/)",
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """The RUN argument."""
    parser.add_argument(
        "run_path",
        metavar="RUN",
        type=run_path,
        help="a run: its folder, the name of its spec (the newest run of it), or `latest`",
    )


def new_run(args: argparse.Namespace) -> RunFolder:
    """The folder of a new run of the SPEC argument; of several processes the first makes it for all."""
    from ftcore.cli.options import resolve
    from ftcore.runs.folder import RunFolder, create_run

    processes.meet()
    path = create_run(resolve(args.spec, args), args.runs_dir).path if processes.is_first() else ""
    return RunFolder(Path(processes.share_text(str(path))))


def resume_run(args: argparse.Namespace, path: Path) -> None:
    """Take the steps that a run lacks, training from its newest checkpoint on."""
    from ftcore.runs.folder import ALL_STEPS, open_run

    folder = open_run(path)
    record = folder.record()
    steps = [step for step in ALL_STEPS if step not in record["steps"]]
    work(args, folder, steps, resume=record["status"] != "waiting")


def work(args: argparse.Namespace, folder: RunFolder, steps: Sequence[Step], *, resume: bool = False) -> None:
    """Take these steps in this run, with progress, and end with a summary that says what to do next."""
    from ftcore.runs.status import at_work
    from ftcore.training.stopping import listen

    try:
        # Before anything heavy is imported, so that a stop finds somebody who listens from the first moment on.
        with listen() as stop, at_work(folder):
            from ftcore.runs.steps import take_steps

            processes.meet()
            with open_workspace(args, folder) as workspace:
                take_steps(workspace, steps, stop, resume=resume)
    except Interrupted as stop:
        raise Interrupted(
            stop.exit_code, f"interrupted; resume it with: ftcore resume {folder.path}"
        ) from None
    except CheckFailed:
        _summarise(folder)
        raise
    if processes.is_first():
        _summarise(folder)


@contextmanager
def open_workspace(args: argparse.Namespace, folder: RunFolder) -> Iterator[Workspace]:
    """The workspace of a run, with progress on the console."""
    from ftcore.cli.console import console
    from ftcore.cli.options import registry
    from ftcore.cli.progress import RunProgress
    from ftcore.runs.folder import plugin_record, reload_spec
    from ftcore.runs.workspace import Workspace

    plugins = registry(args)
    spec, task = reload_spec(folder, plugins)
    observers, problems = plugins.observers() if processes.is_first() else ([], [])
    progress = RunProgress(console())
    try:
        workspace = Workspace(folder, spec, task, (progress,), observers)
        for problem in problems:
            workspace.events.emit("warning", message=f"{problem} (the run goes on without it)")
        if observers:
            folder.update(observers=[plugin_record(observer) for observer in observers])
        yield workspace
    finally:
        progress.close()


def _summarise(folder: RunFolder) -> None:
    from ftcore.cli.console import metric_text, print_table, print_text
    from ftcore.files import read_json

    print_text(f"\nrun {folder.path}")
    if folder.metrics_file.exists():
        measured = read_json(folder.metrics_file)
        splits = measured["splits"]
        print_text(f"metrics of the model, with {measured['confidence']:.0%} bootstrap intervals")
        names = list(next(iter(splits.values()))["metrics"])
        columns = {f"{split} ({found['rows']:,} rows)": found["metrics"] for split, found in splits.items()}
        if zero_shot := splits["test"].get("zero_shot"):
            columns |= {"test, zero-shot": zero_shot["metrics"], "gained": zero_shot["gain"]}
        rows = [[name, *(metric_text(found[name]) for found in columns.values())] for name in names]
        print_table(["", *columns], rows)
        _show_samples(splits["test"].get("samples", []))
    if folder.seeds_file.exists():
        _summarise_seeds(read_json(folder.seeds_file))
    if folder.export_file.exists():
        from ftcore.cli.export_table import print_export

        print_export(read_json(folder.export_file))
    print_text(f"\nnext: {_next(folder)}")


def _show_samples(samples: Sequence[dict[str, str]]) -> None:
    """What the model writes, beside what was right."""
    from ftcore.cli.console import print_text
    from ftcore.spec.diagnostics import printable

    if samples:
        print_text("\nsamples of test")
    for number, sample in enumerate(samples, 1):
        for name, text in sample.items():
            print_text(f"{number if name == next(iter(sample)) else ' '} {name:11} {printable(text)}")


def _summarise_seeds(summary: dict[str, Any]) -> None:
    from ftcore.cli.console import print_table, print_text

    splits = summary["splits"]
    names = list(next(iter(splits.values())))
    seeds = list(next(iter(splits.values()))[names[0]]["values"])
    print_text(
        f"\nmean and standard deviation over the seeds {', '.join(seeds)}; kept is {summary['chosen']}"
    )
    print_table(
        ["", *splits],
        [
            [name, *(f"{s[name]['mean']:.4f} ± {s[name]['sd']:.4f}" for s in splits.values())]
            for name in names
        ],
    )


def _next(folder: RunFolder) -> str:
    if folder.bundle.exists():
        from ftcore.files import read_json
        from ftcore_runtime.manifest import MANIFEST, Manifest

        decoder = Manifest.from_json(read_json(folder.bundle / MANIFEST)).make_decoder()
        second = ' --text-pair "..."' if decoder.required == 2 else ""
        return f'ftcore predict {folder.bundle} --text "..."{second}'
    if folder.metrics_file.exists():
        return f"ftcore export {folder.path}"
    return f"ftcore evaluate {folder.path}"
