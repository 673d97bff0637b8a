"""Runs compared on the test rows that all of them measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ftcore.errors import UserError
from ftcore.evaluation.comparison import Compared, Line, compare
from ftcore.runs.names import find_run, refuse_repeats
from ftcore.runs.predictions import read_marked


def answers_of_runs(subjects: Sequence[str], runs_dir: Path) -> tuple[list[str], list[Iterable[Line]]]:
    """Names of runs, and their answers to their test rows.

    Args:
        subjects: what `find_run` takes: folders of runs, names of specs, `latest`.

    Raises:
        UserError: one is no run, is there twice, or was not evaluated, or its answers are not simply right or wrong.
    """
    for subject in subjects:
        if (Path(subject) / "bundle.json").is_file():
            hint = "bundles are compared on labelled rows: --input FILE"
            raise UserError("is a bundle, not a run", where=subject, hint=hint)
    paths = [find_run(subject, runs_dir) for subject in subjects]
    refuse_repeats(subjects, paths)
    return _names(paths, runs_dir), [read_marked(path, "test") for path in paths]


def _names(paths: Sequence[Path], runs_dir: Path) -> list[str]:
    """What to call runs in a sentence: by their specs, of which each must be another one's, else by their folders."""
    kept = all(path.resolve().parent.parent == runs_dir.resolve() for path in paths)
    specs = [path.resolve().parent.name for path in paths]
    return specs if kept and len(set(specs)) == len(specs) else [path.name for path in paths]


def compare_answers(names: Sequence[str], answered: Sequence[Iterable[Line]]) -> tuple[list[Compared], int]:
    """Compare each with the first; see `ftcore.evaluation.comparison.compare`.

    Raises:
        UserError: there is no row that all of them answered.
    """
    found, left_out = compare(names, answered)
    if not found:
        hint = "give both the same `data.test`, or compare their bundles with --input FILE"
        raise UserError("these runs have no test row in common", where="ftcore compare", hint=hint)
    return found, left_out
