"""One labelled file, read as a task reads its rows: for a measurement without a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ftcore.data.load import check_split
from ftcore.data.rows import Counts, Hints, stage
from ftcore.data.sources import open_source
from ftcore.data.tables import Split, open_split
from ftcore.families.reader import Fitted, Reader
from ftcore.spec.sections import Source

#: What the rows are called in messages.
NAME = "gold"
_HINTS = Hints(
    column="name it with --columns {field}=NAME",
    where="the task keeps the rows that meet `data.where`, which needs this column",
    keep=None,
    rows="",
)


def read_labelled(
    reader: Reader[Any, Any],
    fitted: Fitted,
    source: Source,
    folder: Path,
    hooks: Any,  # noqa: ANN401 (pluggy's hook relay has no useful type)
) -> tuple[Split, Counts]:
    """Read the rows of a source that meet the task's `data.where`, as its plugin prepares them.

    Args:
        fitted: what the task learnt from its training rows.
        source: relative to the working directory.
        folder: where they are kept while they are used.
        hooks: of the task's plugin.

    Raises:
        DataError: it cannot be read, a row is bad, or one contradicts what was learnt.
    """
    opened = replace(open_source(source, NAME, Path.cwd()), field=None)
    prepare = hooks.ftcore_prepare_row if hooks.ftcore_prepare_row.get_hookimpls() else None
    path = folder / f"{NAME}.arrow"
    counts = stage(opened, reader, prepare, path, _HINTS)
    split = open_split(path, NAME)
    check_split(reader, fitted, split, "fix the row: the model knows what it was trained on")
    return split, counts
