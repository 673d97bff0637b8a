"""Which folder `model.distill_from` names: a run, the newest run of a spec, or a model. Reads no weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ftcore.errors import ModelError, UserError
from ftcore.locate import is_local, locate
from ftcore.runs.folder import RunFolder
from ftcore.runs.names import run_paths
from ftcore.spec import ResolvedSpec

TEACHER = "model.distill_from"
_KEY = ("model", "distill_from")


def pin_teacher(resolved: ResolvedSpec) -> ResolvedSpec:
    """The spec with one run as its teacher, where it names the folder of a spec's runs: the newest that has a model.

    Raises:
        ModelError: none has one.
    """
    ref = resolved.spec.model.distill_from
    if ref is None or (newest := _newest_run(ref, resolved.base_dir)) is None:
        return resolved
    model = resolved.spec.model.model_copy(update={"distill_from": str(Path(ref) / newest.path.name)})
    return replace(resolved, spec=resolved.spec.model_copy(update={"model": model}))


def teacher_model(ref: str, base_dir: Path, family: str) -> str:
    """The model that `ref` names, as `model.base` would name it.

    Args:
        family: of the student; a run is of one as well, and of a model the weights tell.

    Raises:
        UserError: there is none; it is a run of another family, or one without a model.
    """
    if not is_local(ref, base_dir):
        return ref
    run = _newest_run(ref, base_dir) or RunFolder(locate(ref, base_dir))
    if not run.record_file.is_file():
        return ref
    if (theirs := run.record()["family"]) != family:
        raise ModelError(f"its run is one of the family {theirs}, not of {family}", where=TEACHER)
    if not run.model.is_dir():
        raise ModelError(
            "its run has no model yet", where=TEACHER, hint=f"finish it with `ftcore resume {run.path}`"
        )
    return str(run.model.resolve())


def check_teacher(resolved: ResolvedSpec) -> None:
    """Look into the teacher as far as that takes neither torch nor a connection.

    Raises:
        SpecError: it cannot be one.
    """
    if (ref := resolved.spec.model.distill_from) is None:
        return
    try:
        model = teacher_model(ref, resolved.base_dir, resolved.task.task.family)
    except UserError as error:
        raise resolved.error(_KEY, error.what, help=error.hint, code="teacher") from None
    resolved.check_model(_KEY[-1], model)


def _newest_run(ref: str, base_dir: Path) -> RunFolder | None:
    """The newest run with a model in the folder of a spec's runs; None where `ref` is no such folder.

    Raises:
        ModelError: it is one, and no run in it has a model.
    """
    if not is_local(ref, base_dir):
        return None
    folder = locate(ref, base_dir)
    runs = [RunFolder(path) for path in run_paths(folder.parent) if path.parent == folder]
    ready = [run for run in runs if run.model.is_dir()]
    if runs and not ready:
        hint = f"finish one with `ftcore resume {runs[0].path}`"
        raise ModelError("no run in it has a model yet", where=TEACHER, hint=hint)
    return ready[0] if ready else None
