"""The rows of a run: read, checked, split and kept in the cache by whoever needs them first. Nothing here loads torch.

`check_inputs` is what `ftcore validate` does, and `ftcore run` before it makes a folder and imports torch: it finds
what the run would find, with the run's own code, and what it has read the run then takes from the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftcore.data import Splits, load_splits
from ftcore.data.cache import discard_uncached
from ftcore.data.copies import check_copies
from ftcore.data.load import Report
from ftcore.data.perturbation import changes_of
from ftcore.data.sources import Opened, open_source
from ftcore.errors import DataError
from ftcore.evaluation.slices import check_slices
from ftcore.families.bound import BoundFamily
from ftcore.families.reader import Reader
from ftcore.families.scoring import SupportsPolicy
from ftcore.runs.auditing import audit_of
from ftcore.runs.cache import cache_dir, one_at_a_time
from ftcore.runs.parts import check_folds
from ftcore.runs.teacher_folder import check_teacher
from ftcore.spec import ResolvedSpec
from ftcore.spec.sections import Spec
from ftcore.spec.training import PretrainSpec


def read_splits(reader: Reader[Any, Any], base_dir: Path, hooks: Any) -> Splits:  # noqa: ANN401 (pluggy's relay)
    """The three splits of the reader's spec, from the cache where they were read before.

    Args:
        base_dir: what relative paths start from: the spec's folder.
        hooks: of the task's plugin.

    Raises:
        DataError, PluginError: see `load_splits`.
    """
    with one_at_a_time(["rows", reader.spec.data.model_dump(mode="json"), str(base_dir)]):
        return load_splits(reader, base_dir=base_dir, cache_dir=cache_dir() / "rows", hooks=hooks)


def open_texts(spec: PretrainSpec, base_dir: Path) -> Opened:
    """The source of the texts of `training.pretrain`, with its fingerprint.

    Raises:
        DataError: see `open_source`.
    """
    return open_source(spec.on, "train", base_dir, "training.pretrain.on")


def read_texts(texts: Opened, column: str) -> Iterator[tuple[str, str]]:
    """The texts of `training.pretrain`, and `file:row` of each.

    Raises:
        DataError: a row cannot be read, or has no text; or there is none.
    """
    record = None
    for record in texts.records():
        if record.problem or record.values is None:
            what, hint = record.problem or "cannot be read", "fix the row, or leave it out"
            raise DataError(what, where=record.location, hint=hint)
        if column not in record.values:
            raise DataError(
                f"there is no column {column!r}; the columns are {', '.join(map(repr, record.values))}",
                where=record.location,
                hint="name the texts' column with `training.pretrain.column`",
            )
        text = record.values[column]
        if not isinstance(text, str) or not text.strip():
            raise DataError("has no text", where=record.location, hint="fix the row, or leave it out")
        yield text, record.location
    if record is None:
        raise DataError("holds no texts", where=texts.name, hint="give a file with one text a row")


def check_inputs(resolved: ResolvedSpec, *, audit: bool = False) -> Splits | None:
    """Read the rows of a spec, and find what a run of it would fail with, as far as that takes no torch.

    Args:
        audit: look for what only a comparison of all rows shows, too, unless the spec says not to.

    Returns:
        the splits; None where rows come from the Hub: only a run waits for a connection.

    Raises:
        UserError: with what is wrong.
    """
    spec, base_dir = resolved.spec, resolved.base_dir.resolve()
    check_teacher(resolved)
    changes_of(spec.checks.invariance, base_dir)
    if (pretrain := spec.training.pretrain) is not None and pretrain.on.hub is None:
        for _ in read_texts(open_texts(pretrain, base_dir), pretrain.column):
            pass
    if any(source.hub is not None for source in spec.data.sources):
        return None
    family = BoundFamily(resolved.task.family, spec)
    with reading(resolved, family.reader) as splits:
        _check_splits(spec, family.with_fitted(splits.fitted), splits)
        if audit and spec.checks.audit == "on":
            audit_of(family.reader, splits, base_dir).require_no_errors()
    return splits


@contextmanager
def reading(resolved: ResolvedSpec, reader: Reader[Any, Any]) -> Iterator[Splits]:
    """The splits of a spec; what no later reading would find of them is deleted in the end.

    Raises:
        DataError, PluginError: see `load_splits`.
    """
    splits = read_splits(reader, resolved.base_dir.resolve(), resolved.task.hooks)
    try:
        yield splits
    finally:
        discard_uncached(cache_dir() / "rows", splits.key)


def _check_splits(spec: Spec, family: BoundFamily, splits: Splits) -> None:
    """What a run looks at before its first step: the slices, and rows enough for folds, copies and the policy."""
    check_slices(family, splits.test)
    _check_leakage(spec, splits.report)
    if spec.training.copies:
        check_copies(family.reader, splits.train.table.num_rows, spec.training.copies)
    if spec.data.cross_validation is not None:
        check_folds(splits, family.reader, spec.data.cross_validation)
    if spec.policy.fields_in_use and isinstance(family.scoring, SupportsPolicy):
        rows = splits.validation.table.num_rows
        if spec.training.recipe != "plain" or getattr(spec.training, "refit", None):
            rows += splits.train.table.num_rows  # folds may choose on these as well
        family.scoring.check_policy(rows)


def _check_leakage(spec: Spec, report: Report) -> None:
    """Refuse given splits that have more inputs of training rows than `data.max_leakage` allows."""
    for name, count in report.leaked.items():
        share = count / max(1, report.rows[name])
        if spec.data.max_leakage is not None and share > spec.data.max_leakage:
            raise DataError(
                f"{count:,} rows of {name} ({share:.1%}) have the input of a training row; data.max_leakage allows"
                f" {spec.data.max_leakage:.1%}",
                where=f"data.{name}",
                hint="take them out of the file of one of the two, or allow more; `ftcore audit` lists them",
            )
