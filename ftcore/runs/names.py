"""Which run or bundle an argument names: a folder, the name of a spec (its newest run), or `latest`. Light."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from ftcore.errors import UserError

#: The newest run of all.
LATEST = "latest"


def find_run(argument: str, runs_dir: Path) -> Path:
    """The folder of a run.

    Args:
        argument: the folder itself, the name of a spec that was run, or `latest`.
        runs_dir: where runs are kept.

    Raises:
        UserError: there is no such run.
    """
    path = Path(argument)
    if (path / "run.json").is_file():
        return path
    runs = sorted(runs_dir.glob("*/*/run.json"), key=lambda file: file.parent.name)
    named = [file.parent for file in runs if argument in (LATEST, file.parent.parent.name)]
    if named:
        return named[-1]
    if path.is_dir():
        raise UserError("no run here (no run.json)", where=argument, hint=_HINT)
    names = sorted({file.parent.parent.name for file in runs})
    near = get_close_matches(argument, names, n=1)
    hint = f"did you mean `{near[0]}`?" if near else _HINT
    raise UserError(f"no run of this name in {runs_dir}, and no such folder", where=argument, hint=hint)


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


_HINT = "`ftcore runs` lists the runs there are"
