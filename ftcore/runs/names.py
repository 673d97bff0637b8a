"""Which run or bundle an argument names: a folder, the name of a spec (its newest run), or `latest`. Light."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from ftcore.errors import UserError
from ftcore.files import DamagedError, read_json

#: The newest run of all.
LATEST = "latest"


def run_paths(runs_dir: Path) -> list[Path]:
    """The folder of every run below a folder, newest first; none where there is no such folder.

    Raises:
        OSError: the folder cannot be looked at, or no folder can have this name.
    """
    with suppress(FileNotFoundError):
        runs_dir.stat()  # `glob` passes over what is wrong with it, from Python 3.13 on
    found = [file.parent for file in runs_dir.glob("*/*/run.json")]
    return sorted(found, key=lambda path: path.name, reverse=True)


def find_run(argument: str, runs_dir: Path) -> Path:
    """The folder of a run. A run that `ftcore reproduce` made is meant only where there is no other.

    Args:
        argument: the folder itself, the name of a spec that was run, or `latest`.
        runs_dir: where runs are kept.

    Raises:
        UserError: there is no such run.
    """
    path = Path(argument)
    if (path / "run.json").is_file():
        return path
    runs = run_paths(runs_dir)
    named = [run for run in runs if argument in (LATEST, run.parent.name)]
    if named:
        return next((run for run in named if not _repeats_another(run)), named[0])
    if path.is_dir():
        raise UserError("no run here (no run.json)", where=argument or "``", hint=_HINT)
    names = sorted({run.parent.name for run in runs})
    near = get_close_matches(argument, names, n=1)
    hint = f"did you mean `{near[0]}`?" if near else _HINT
    raise UserError(f"no run of this name in {runs_dir}, and no such folder", where=argument, hint=hint)


def _repeats_another(run: Path) -> bool:
    """Whether `ftcore reproduce` made it; a record that cannot be read says so where the run is opened."""
    try:
        return "reproduces" in read_json(run / "run.json")
    except (OSError, DamagedError, TypeError):
        return False


def find_bundle(argument: str, runs_dir: Path) -> Path:
    """The folder of a bundle: the argument itself, or that of the run which it names.

    Raises:
        UserError: the run was not exported.
    """
    path = Path(argument)
    if (path / "bundle.json").is_file():
        return path
    try:
        run = find_run(argument, runs_dir)
    except UserError:
        return path  # what reads it says what is wrong with it as a bundle
    if not (run / "bundle" / "bundle.json").is_file():
        raise UserError(
            "this run has no bundle yet", where=str(run), hint=f"make it with: ftcore export {run}"
        )
    return run / "bundle"


def refuse_repeats(subjects: Sequence[str], paths: Sequence[Path]) -> None:
    """Refuse to compare something with itself, or to queue it twice.

    Args:
        subjects: what each was called.
        paths: its file or folder.

    Raises:
        UserError: two are the same.
    """
    seen: dict[Path, str] = {}
    for subject, path in zip(subjects, paths, strict=True):
        earlier = seen.get(path.resolve())
        if earlier is not None:
            same = "" if earlier == subject else f", as `{earlier}`"
            raise UserError(f"is there twice{same}", where=subject, hint="name two that differ")
        seen[path.resolve()] = subject


_HINT = "`ftcore runs` lists the runs there are"
